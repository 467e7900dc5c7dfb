import type { Exceeded } from '../../lib/expression/expression.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import type { BusEntry, RawEvent } from '../ports.ts';
import { buildEntry } from './entry.ts';
import type { EventFilter, FilterVerdict } from './filter.ts';
import type { PipelineIssue } from './issue.ts';
import type { EventSchemaSource } from './schema-source.ts';
import type { Transform } from './transform.ts';

export type { FilterVerdict } from './filter.ts';
export type { PipelineIssue } from './issue.ts';

export type Processed =
  | {
      readonly ok: true;
      readonly entry: BusEntry;
      readonly transformed: Readonly<Record<string, unknown>>;
      /** What the schema says against it in `warn` mode. */
      readonly warnings: readonly PipelineIssue[];
    }
  | {
      readonly ok: false;
      readonly stage: 'transform' | 'validate';
      /** `systemic`: the schema is not there yet; the event is not to blame. */
      readonly kind: 'reject' | 'systemic';
      readonly code: string;
      /** May quote the event: for answers and dead letters, not for logs. */
      readonly message: string;
      readonly issues: readonly PipelineIssue[];
      readonly transformed?: unknown;
      /** What the expression used up, when a limit stopped it. */
      readonly exceeded?: Exceeded;
    };

/** Called with the time that a stage of one event took, in milliseconds. */
export type OnStage = (stage: 'transform' | 'validate', ms: number) => void;

/** Filter, transform and validate: what the worker, `/simulate`, the tests and the benchmarks run. */
export interface Pipeline {
  readonly versions: {
    readonly filter: string;
    readonly expression: string;
    readonly schema: string;
  };
  readonly filter: (event: RawEvent) => FilterVerdict;
  /** Transform and validate; a bad event is a value, never an exception. */
  readonly process: (event: RawEvent, eventId: string, onStage?: OnStage) => Promise<Processed>;
}

/** Something that may be replaced while the service runs; a LiveFile is one. */
export interface Replaceable<T> {
  readonly current: T;
  readonly version: string;
}

export interface PipelineStages {
  readonly filter: Replaceable<EventFilter>;
  readonly transform: Replaceable<Transform>;
  readonly schema: EventSchemaSource;
}

export function createPipeline(stages: PipelineStages): Pipeline {
  const { filter, transform, schema } = stages;

  return {
    get versions() {
      return {
        filter: filter.version,
        expression: transform.version,
        schema: schema.current?.version ?? 'none',
      };
    },

    filter: (event) => filter.current.verdict(event),

    async process(event, eventId, onStage) {
      if (!isJsonObject(event)) {
        const issues = [{ path: '', keyword: 'type', message: 'must be object' }];
        return rejection('transform', 'event_no_object', 'The event is no object', issues);
      }
      // One event meets one version of the schema, whatever is reloaded meanwhile.
      const validator = schema.current;
      if (schema.mode === 'enforce' && validator === undefined) return schemaMissing();

      const startedMs = onStage === undefined ? 0 : performance.now();
      const result = await transform.current.apply(event, eventId);
      const transformedMs = onStage === undefined ? 0 : performance.now();
      onStage?.('transform', transformedMs - startedMs);
      if (!result.ok) return { ...result, stage: 'transform', kind: 'reject' };

      const { transformed } = result;
      const issues =
        schema.mode === 'off' || validator === undefined ? [] : validator.issues(transformed);
      onStage?.('validate', performance.now() - transformedMs);
      if (issues.length > 0 && schema.mode === 'enforce') {
        const what = 'The transformed event breaks the schema';
        return rejection('validate', 'schema_violation', what, issues, transformed);
      }

      const built = buildEntry(transformed, event);
      if (built.ok) return { ok: true, entry: built.entry, transformed, warnings: issues };
      const what = 'The transformed event cannot be an entry of the bus';
      return rejection('transform', 'transform_no_entry', what, built.issues, transformed);
    },
  };
}

function schemaMissing(): Processed {
  return {
    ok: false,
    stage: 'validate',
    kind: 'systemic',
    code: 'schema_unavailable',
    message: 'The event schema has not been loaded yet, so no event can be validated',
    issues: [],
  };
}

function rejection(
  stage: 'transform' | 'validate',
  code: string,
  what: string,
  issues: readonly PipelineIssue[],
  transformed?: unknown,
): Processed {
  const [first] = issues;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  const reason = first === undefined ? '' : `: ${first.path} ${first.message}${more}`;
  const message = `${what}${reason}`;
  return { ok: false, stage, kind: 'reject', code, message, issues, transformed };
}
