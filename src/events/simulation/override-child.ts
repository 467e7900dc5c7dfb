// A process of its own for configurations that somebody wants to try: see override-runner.ts.
import { ConfigError, coerceError } from '../../errors.ts';
import {
  type Exceeded,
  ExpressionError,
  type ExpressionLimits,
} from '../../lib/expression/expression.ts';
import { parseJson } from '../../lib/files/config-file.ts';
import type { SchemaMode } from '../pipeline/event-schema.ts';
import { compileFilter } from '../pipeline/filter.ts';
import { createPipeline } from '../pipeline/pipeline.ts';
import {
  compileSchemaDefinition,
  noSchema,
  type SchemaDefinition,
} from '../pipeline/schema-source.ts';
import { compileTransform } from '../pipeline/transform.ts';
import { lockIn } from './lock-in.ts';
import { runStages, type StageResults } from './simulate.ts';

/** Everything as text: nothing of the parent's memory goes along. */
export interface OverrideJob {
  readonly filter: Part<string>;
  readonly expression: Part<string>;
  readonly schema: Part<SchemaDefinition | undefined>;
  readonly mode: SchemaMode;
  readonly limits: ExpressionLimits;
  readonly events: readonly Readonly<Record<string, unknown>>[];
  /** Longest answer, in characters. */
  readonly maxResultLength: number;
}

interface Part<T> {
  readonly value: T;
  readonly version: string;
}

export type OverridePart = 'filter' | 'expression' | 'schema';

export type OverrideAnswer =
  | { readonly kind: 'ready' }
  /** JSON text of `StageResults[]`. */
  | { readonly kind: 'done'; readonly results: string }
  | { readonly kind: 'exceeded'; readonly what: Exceeded | 'size'; readonly message: string }
  | {
      readonly kind: 'invalid';
      readonly part: OverridePart;
      readonly problems: readonly string[];
      readonly position: number | undefined;
    }
  | { readonly kind: 'failed'; readonly message: string };

class InvalidPart extends Error {
  readonly part: OverridePart;

  constructor(part: OverridePart, cause: unknown) {
    super(`The ${part} cannot be used`, { cause });
    this.part = part;
  }
}

function part<T>(name: OverridePart, compile: () => T): T {
  try {
    return compile();
  } catch (error) {
    throw new InvalidPart(name, error);
  }
}

async function run(job: OverrideJob): Promise<OverrideAnswer> {
  const { filter, expression, schema, mode, limits } = job;
  const definition = schema.value;
  const pipeline = createPipeline({
    filter: {
      version: filter.version,
      current: part('filter', () => compileFilter(parseJson(filter.value, 'invalid_filter'))),
    },
    transform: {
      version: expression.version,
      current: part('expression', () => compileTransform(expression.value, limits)),
    },
    schema: {
      ...noSchema(),
      mode,
      current:
        definition && part('schema', () => compileSchemaDefinition(definition, schema.version)),
    },
  });

  const results: StageResults[] = [];
  for (const event of job.events) {
    const result = await runStages(pipeline, event);
    const { processed } = result;
    if (processed?.ok === false && processed.exceeded !== undefined) {
      return { kind: 'exceeded', what: processed.exceeded, message: processed.message };
    }
    results.push(result);
  }
  const text = JSON.stringify(results);
  if (text.length <= job.maxResultLength) return { kind: 'done', results: text };
  const message = `The results have ${text.length} characters; allowed are at most ${job.maxResultLength}`;
  return { kind: 'exceeded', what: 'size', message };
}

function answerTo(error: unknown): OverrideAnswer {
  if (!(error instanceof InvalidPart)) {
    return { kind: 'failed', message: coerceError(error).message };
  }
  const { cause } = error;
  const origin = cause instanceof Error ? cause.cause : undefined;
  return {
    kind: 'invalid',
    part: error.part,
    problems: cause instanceof ConfigError ? cause.problems : [coerceError(cause).message],
    position: origin instanceof ExpressionError ? origin.position : undefined,
  };
}

// Held here, for after `lockIn` there is no global of this name.
const self = process;

function send(answer: OverrideAnswer): void {
  self.send?.(answer);
}

self.once('message', (job: OverrideJob) => {
  run(job)
    .catch(answerTo)
    .then(send, () => self.exit(1));
});
self.once('disconnect', () => self.exit());
lockIn();
send({ kind: 'ready' });
