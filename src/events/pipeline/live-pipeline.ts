import { randomUUID } from 'node:crypto';
import { ConfigError } from '../../errors.ts';
import type { ExpressionLimits } from '../../lib/expression/expression.ts';
import { openConfigFile, parseJson } from '../../lib/files/config-file.ts';
import type { LiveFile } from '../../lib/files/live-file.ts';
import type { Health } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { SchemaMode } from './event-schema.ts';
import { compileFilter } from './filter.ts';
import { createPipeline, type Pipeline } from './pipeline.ts';
import { runFilterExamples, runTransformExamples } from './pipeline-examples.ts';
import { createSampleEvent } from './sample-event.ts';
import type { EventSchemaSource, SchemaDefinition } from './schema-source.ts';
import { compileTransform, type Transform } from './transform.ts';

export interface LivePipelineOptions {
  readonly filterFile: string;
  readonly expressionFile: string;
  readonly limits: ExpressionLimits;
  /** The pipeline stops it with itself. */
  readonly schema: EventSchemaSource;
  readonly log: Logger;
  /** Learns which versions are in use, and of broken edits. */
  readonly health?: Pick<Health, 'dependency'> | undefined;
  /** Edits are taken over only when the examples beside the files hold. */
  readonly holdToExamples?: boolean | undefined;
  /** How often the files are looked at, in milliseconds. Default 1000. */
  readonly pollMs?: number | undefined;
}

/** The configuration in use as text, from which the same pipeline can be built elsewhere. */
export interface PipelineSources {
  readonly filter: string;
  readonly expression: string;
  readonly schema: { readonly definition: SchemaDefinition; readonly version: string } | undefined;
  readonly mode: SchemaMode;
}

/** The pipeline of the configuration files; edits are taken over while it runs. */
export interface LivePipeline extends Pipeline {
  readonly sources: PipelineSources;
  /** What is wrong with the newest edits, which are therefore not in use; one sentence each. */
  readonly problems: readonly string[];
  /** Looks at all files now. */
  reload(): Promise<void>;
  stop(): Promise<void>;
}

/** @throws ConfigError when a file is unusable at start; later the last good version stays. */
export async function openPipeline(options: LivePipelineOptions): Promise<LivePipeline> {
  const { limits, schema } = options;
  const shared = { log: options.log, pollMs: options.pollMs };
  // Not required: while an edit is broken the last good version works.
  const reporter = (name: string) => options.health?.dependency(name, { required: false });
  const filterFile = await openConfigFile(
    {
      ...shared,
      setting: 'EVENT_FILTER_FILE',
      code: 'invalid_filter',
      reporter: reporter('event-filter-file'),
      path: options.filterFile,
      parse: (text) => compileFilter(parseJson(text, 'invalid_filter')),
    },
    options.holdToExamples ? runFilterExamples : undefined,
  );
  let expressionFile: LiveFile<Transform>;
  try {
    expressionFile = await openConfigFile(
      {
        ...shared,
        setting: 'EVENT_EXPRESSION_FILE',
        code: 'invalid_expression',
        reporter: reporter('event-expression-file'),
        path: options.expressionFile,
        parse: (text) => compileSafeTransform(text, limits),
      },
      options.holdToExamples
        ? (transform, text) => runTransformExamples(transform, schema.current, text)
        : undefined,
    );
  } catch (error) {
    filterFile.stop();
    throw error;
  }

  const pipeline = createPipeline({ filter: filterFile, transform: expressionFile, schema });
  return {
    get versions() {
      return pipeline.versions;
    },
    filter: pipeline.filter,
    process: pipeline.process,
    get sources() {
      return {
        filter: filterFile.text,
        expression: expressionFile.text,
        schema: schema.current,
        mode: schema.mode,
      };
    },
    get problems() {
      return [filterFile, expressionFile, schema].flatMap(
        ({ lastError }) => lastError?.message ?? [],
      );
    },
    async reload() {
      await Promise.all([filterFile.reload(), expressionFile.reload(), schema.reload()]);
    },
    async stop() {
      filterFile.stop();
      expressionFile.stop();
      await schema.stop();
    },
  };
}

/**
 * An expression that uses up its limits with an ordinary event would stop the whole pipeline.
 *
 * @throws ConfigError
 */
export async function compileSafeTransform(
  text: string,
  limits: ExpressionLimits,
): Promise<Transform> {
  const transform = compileTransform(text, limits);
  const event = createSampleEvent({}, { uuid: randomUUID, now: () => new Date() });
  const result = await transform.apply(event, randomUUID());
  if (!result.ok && result.code === 'transform_limit_exceeded') {
    throw new ConfigError([`The expression fails with an ordinary event: ${result.message}`], {
      code: 'invalid_expression',
    });
  }
  return transform;
}
