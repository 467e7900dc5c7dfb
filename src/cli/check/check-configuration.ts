import { existsSync } from 'node:fs';
import { parseAttributes } from '../../attributes/definitions/attributes-file.ts';
import { runMappingExamples } from '../../attributes/mapping/mapping-examples.ts';
import { parseMapping } from '../../attributes/mapping/mapping-file.ts';
import { ConfigError, coerceError } from '../../errors.ts';
import { compileEventSchema } from '../../events/pipeline/event-schema.ts';
import { compileFilter } from '../../events/pipeline/filter.ts';
import { compileSafeTransform } from '../../events/pipeline/live-pipeline.ts';
import {
  runFilterExamples,
  runSchemaExamples,
  runTransformExamples,
} from '../../events/pipeline/pipeline-examples.ts';
import { parseJson } from '../../lib/files/config-file.ts';
import { examplesFileOf, type RunExamples } from '../../lib/files/hold-to-examples.ts';
import { readText } from '../../lib/files/read-text.ts';
import type { Config, Environment } from '../../settings/load-config.ts';
import { loadOfflineSettings } from '../offline-settings.ts';

export interface CheckResult {
  readonly area:
    | 'settings'
    | 'filter'
    | 'expression'
    | 'schema'
    | 'mapping'
    | 'attributes'
    | 'remote';
  /** A file, an example of it, a setting, a remote service. */
  readonly subject: string;
  readonly status: 'ok' | 'failed' | 'skipped';
  readonly message?: string;
  /** What was expected and what came. */
  readonly diff?: string;
}

export interface CheckOptions {
  readonly environment: Environment;
  /** Whether the remote services can be reached and used; asked only when the settings are right. */
  readonly checkRemote?: ((config: Config) => Promise<readonly CheckResult[]>) | undefined;
}

/**
 * Everything that can be wrong before the first request, all at once: the settings, the files that
 * operators edit with the examples beside them, and, when asked, the remote services.
 */
export async function checkConfiguration(options: CheckOptions): Promise<readonly CheckResult[]> {
  const { config, problems } = loadOfflineSettings(options.environment);
  const results: CheckResult[] =
    problems.length === 0
      ? [{ area: 'settings', subject: 'environment', status: 'ok' }]
      : problems.map((message) => ({
          area: 'settings',
          subject: message.split(':')[0] ?? 'environment',
          status: 'failed',
          message,
        }));
  results.push(...(await checkFiles(config)));
  if (options.checkRemote !== undefined) {
    results.push(
      ...(problems.length === 0
        ? await options.checkRemote(config)
        : [remoteSkipped('the settings are not right')]),
    );
  }
  return results;
}

async function checkFiles(config: Config): Promise<readonly CheckResult[]> {
  const limits = {
    timeoutMs: config.JSONATA_TIMEOUT_MS,
    maxDepth: config.JSONATA_MAX_DEPTH,
    maxSequence: config.JSONATA_MAX_SEQUENCE,
    compile: config.JSONATA_COMPILE,
  };
  const filter = await check('filter', config.EVENT_FILTER_FILE, {
    compile: (text) => compileFilter(parseJson(text, 'invalid_filter')),
    runExamples: runFilterExamples,
  });
  const schema =
    config.EVENT_SCHEMA_REGISTRY === undefined
      ? await check('schema', config.EVENT_SCHEMA_FILE, {
          compile: (text) => compileEventSchema(parseJson(text, 'invalid_schema')),
          runExamples: runSchemaExamples,
        })
      : inRegistry(config);
  const validator = config.EVENT_SCHEMA_MODE === 'off' ? undefined : schema.compiled;
  const expression = await check('expression', config.EVENT_EXPRESSION_FILE, {
    compile: (text) => compileSafeTransform(text, limits),
    runExamples: (transform, text) => runTransformExamples(transform, validator, text),
  });
  const mapping = await check('mapping', config.MAPPING_FILE, {
    compile: (text) => parseMapping(text, limits),
    runExamples: runMappingExamples,
  });
  const attributes = await check('attributes', config.ATTRIBUTES_FILE, {
    compile: parseAttributes,
  });
  return [filter, expression, schema, mapping, attributes].flatMap(({ results }) => results);
}

interface Checked<T> {
  readonly compiled: T | undefined;
  readonly results: readonly CheckResult[];
}

interface FileKind<T> {
  compile(this: void, text: string): T | Promise<T>;
  readonly runExamples?: RunExamples<T>;
}

/** The file itself, then every example of the `.test.json` beside it. */
async function check<T>(
  area: CheckResult['area'],
  file: string,
  kind: FileKind<T>,
): Promise<Checked<T>> {
  let compiled: T;
  try {
    compiled = await kind.compile(await readText(file));
  } catch (error) {
    return { compiled: undefined, results: failures(area, file, error) };
  }
  const results: CheckResult[] = [{ area, subject: file, status: 'ok' }];
  if (kind.runExamples === undefined) return { compiled, results };

  const examplesFile = examplesFileOf(file);
  if (!existsSync(examplesFile)) {
    const message = 'no examples beside it';
    return {
      compiled,
      results: [...results, { area, subject: examplesFile, status: 'skipped', message }],
    };
  }
  try {
    const text = await readText(examplesFile);
    for (const { name, ok, diff = '' } of await kind.runExamples(compiled, text)) {
      const subject = `${examplesFile}: ${name}`;
      if (ok) results.push({ area, subject, status: 'ok' });
      else results.push({ area, subject, status: 'failed', diff });
    }
  } catch (error) {
    results.push(...failures(area, examplesFile, error));
  }
  return { compiled, results };
}

function failures(area: CheckResult['area'], subject: string, error: unknown): CheckResult[] {
  const problems = error instanceof ConfigError ? error.problems : [coerceError(error).message];
  return problems.map((message) => ({ area, subject, status: 'failed', message }));
}

function inRegistry(config: Config): Checked<never> {
  const subject = `${config.EVENT_SCHEMA_REGISTRY ?? ''}/${config.EVENT_SCHEMA_NAME ?? ''}`;
  const message = 'in the AWS Schema Registry, not in a file';
  return {
    compiled: undefined,
    results: [{ area: 'schema', subject, status: 'skipped', message }],
  };
}

function remoteSkipped(why: string): CheckResult {
  return { area: 'remote', subject: 'remote services', status: 'skipped', message: why };
}
