import { longNumbersOf } from '../../lib/json/exact-json.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import { tooLarge } from '../entry-size.ts';
import { eventIdOf, keyOfEvent } from '../event-id.ts';
import type { SchemaMode } from '../pipeline/event-schema.ts';
import type { FilterVerdict } from '../pipeline/filter.ts';
import type { Pipeline, PipelineIssue, Processed } from '../pipeline/pipeline.ts';
import type { EntryLimits } from '../ports.ts';

/**
 * What the worker would do with the event: publish it, leave it (the filter), send it to the
 * dead-letter queue, or wait with it (`pause`: the schema has not been loaded yet).
 */
export type SimulationOutcome = 'publish' | 'skip' | 'dead-letter' | 'pause';

/** What one stage did; `ms` is its time in milliseconds. */
export type TraceStep =
  /** Only there when there is something to say about how the event was read. */
  | { readonly stage: 'read'; readonly ok: boolean; readonly message: string }
  | {
      readonly stage: 'filter';
      readonly ok: boolean;
      readonly ms: number;
      readonly version: string;
      /** The rule that matched, or why none did. */
      readonly rule?: string;
      readonly reason?: string;
    }
  | {
      readonly stage: 'transform';
      readonly ok: boolean;
      readonly ms: number;
      readonly version: string;
      readonly output?: unknown;
      readonly issues: readonly PipelineIssue[];
    }
  | {
      readonly stage: 'validate';
      readonly ok: boolean;
      readonly ms: number;
      readonly version: string;
      readonly mode: SchemaMode;
      readonly issues: readonly PipelineIssue[];
    }
  | {
      readonly stage: 'entry';
      readonly ok: boolean;
      /** Size as the bus counts it, and the 64 KB chunks that AWS bills. */
      readonly bytes?: number;
      readonly maxBytes: number;
      readonly chunks?: number;
      readonly issues: readonly PipelineIssue[];
    };

export interface Simulation {
  readonly outcome: SimulationOutcome;
  readonly originalEvent: unknown;
  /** `null` when the event did not get as far as that. */
  readonly transformedEvent: unknown;
  /** Time of the whole pipeline, in milliseconds. */
  readonly latencyMs: number;
  /** Why it would not be published. */
  readonly error?: { readonly code: string; readonly message: string };
  readonly errors: readonly PipelineIssue[];
  /** What the schema says against it in `warn` mode; it would be published all the same. */
  readonly warnings: readonly PipelineIssue[];
  readonly trace: readonly TraceStep[];
}

/** What the stages said about one event: plain data, so that another process can find it out. */
export interface StageResults {
  readonly versions: Pipeline['versions'];
  readonly verdict: FilterVerdict;
  /** 0 for a stage that was not reached. */
  readonly ms: { readonly filter: number; readonly transform: number; readonly validate: number };
  /** `undefined` when the filter did not let it pass. */
  readonly processed: Processed | undefined;
}

/** Numbers that were made text, in the trace. */
const MAX_SHOWN = 10;
const BILLED_CHUNK_BYTES = 65_536;

/** Runs the worker's own stages; the event has the id that it would have there. */
export async function runStages(
  pipeline: Pipeline,
  event: Readonly<Record<string, unknown>>,
): Promise<StageResults> {
  const { versions } = pipeline;
  const startedMs = performance.now();
  const verdict = pipeline.filter(event);
  const ms = { filter: performance.now() - startedMs, transform: 0, validate: 0 };
  const eventId = eventIdOf(keyOfEvent(event));
  const processed = verdict.matched
    ? await pipeline.process(event, eventId, (stage, stageMs) => {
        ms[stage] = stageMs;
      })
    : undefined;
  return { versions, ms, verdict, processed };
}

/** Simulates one event; anything that is no object ends as in the stream: as a dead letter. */
export async function simulate(
  pipeline: Pipeline,
  event: unknown,
  context: SimulationContext,
): Promise<Simulation> {
  if (!isJsonObject(event)) return unreadable(event, 'The event is not a JSON object');
  return toSimulation(event, await runStages(pipeline, event), context);
}

export interface SimulationContext {
  readonly mode: SchemaMode;
  readonly limits: EntryLimits;
}

/** A line of the stream that holds no event. */
export function unreadable(originalEvent: unknown, message: string): Simulation {
  return {
    outcome: 'dead-letter',
    originalEvent,
    transformedEvent: null,
    latencyMs: 0,
    error: { code: 'event_unreadable', message },
    errors: [{ path: '', keyword: 'type', message: 'must be object' }],
    warnings: [],
    trace: [{ stage: 'read', ok: false, message }],
  };
}

/** Puts what the stages said into the words of the answer. */
export function toSimulation(
  originalEvent: unknown,
  results: StageResults,
  context: SimulationContext,
): Simulation {
  const { verdict, processed, versions, ms } = results;
  const trace: TraceStep[] = [];
  const latencyMs = rounded(ms.filter + ms.transform + ms.validate);
  const facts = { originalEvent, latencyMs, errors: [], warnings: [], trace };

  const long = longNumbersOf(originalEvent, MAX_SHOWN);
  if (long.length > 0) {
    const message = `Numbers that JavaScript cannot hold exactly are text of the same digits: ${long.join(', ')}`;
    trace.push({ stage: 'read', ok: true, message });
  }
  trace.push({
    stage: 'filter',
    ok: verdict.matched,
    ms: rounded(ms.filter),
    version: versions.filter,
    ...(verdict.matched ? { rule: verdict.rule } : { reason: verdict.reason }),
  });
  if (processed === undefined) return { ...facts, outcome: 'skip', transformedEvent: null };

  const failed = (error: { code: string; message: string }, errors: readonly PipelineIssue[]) =>
    ({
      ...facts,
      outcome: processed.ok || processed.kind === 'reject' ? 'dead-letter' : 'pause',
      transformedEvent: processed.transformed ?? null,
      error: { code: error.code, message: error.message },
      errors,
    }) as const;

  const isTransformed = processed.transformed !== undefined;
  if (isTransformed || (!processed.ok && processed.stage === 'transform')) {
    trace.push({
      stage: 'transform',
      ok: isTransformed,
      ms: rounded(ms.transform),
      version: versions.expression,
      output: processed.transformed,
      issues: processed.ok || isTransformed ? [] : processed.issues,
    });
    if (!processed.ok && !isTransformed) return failed(processed, processed.issues);
  }

  const isInvalid = !processed.ok && processed.stage === 'validate';
  trace.push({
    stage: 'validate',
    ok: !isInvalid,
    ms: rounded(ms.validate),
    version: versions.schema,
    mode: context.mode,
    issues: processed.ok ? processed.warnings : isInvalid ? processed.issues : [],
  });
  if (isInvalid) return failed(processed, processed.issues);

  const { limits } = context;
  const { maxBytes } = limits;
  if (!processed.ok) {
    trace.push({ stage: 'entry', ok: false, maxBytes, issues: processed.issues });
    return failed(processed, processed.issues);
  }
  const { transformed, entry, warnings } = processed;
  const bytes = limits.bytesOf(entry);
  const why = tooLarge(bytes, limits);
  const chunks = Math.ceil(bytes / BILLED_CHUNK_BYTES);
  const issues =
    why === undefined ? [] : [{ path: '/detail', keyword: 'maxBytes', message: why.message }];
  trace.push({ stage: 'entry', ok: why === undefined, bytes, maxBytes, chunks, issues });
  return why === undefined
    ? { ...facts, outcome: 'publish', transformedEvent: transformed, warnings }
    : failed(why, issues);
}

function rounded(ms: number): number {
  return Math.round(ms * 1000) / 1000;
}
