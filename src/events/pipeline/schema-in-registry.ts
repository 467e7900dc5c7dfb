import { coerceError } from '../../errors.ts';
import type { Cache } from '../../lib/cache.ts';
import { createAvailability } from '../../lib/health/availability.ts';
import { startDependencyCheck } from '../../lib/health/dependency-check.ts';
import type { DependencyReporter } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { SchemaRegistry } from '../ports.ts';
import type { SchemaMode } from './event-schema.ts';
import {
  compileSchemaDefinition,
  type EventSchemaSource,
  type LoadedSchema,
} from './schema-source.ts';

export interface RegistrySchemaOptions {
  readonly registry: SchemaRegistry;
  readonly registryName: string;
  readonly schemaName: string;
  /** `undefined` = the latest. */
  readonly schemaVersion?: string | undefined;
  readonly component?: string | undefined;
  readonly mode: SchemaMode;
  /** The process' one schema cache. */
  readonly cache: Cache;
  /** How often a new version is looked for, in milliseconds. */
  readonly refreshMs: number;
  readonly log: Logger;
  readonly reporter: DependencyReporter;
  /** Back-off after a failure, in milliseconds. Default: from 1 s up to half a minute. */
  readonly retry?: { readonly baseMs: number; readonly capMs: number } | undefined;
}

const RETRY = { baseMs: 1000, capMs: 30_000 };

/**
 * A schema of the AWS Schema Registry, loaded in the background: at once, again in time, and with
 * back-off after a failure. The last good version stays in use while the registry is away or has
 * something that does not compile; it is compiled again only when it changed.
 */
export function startRegistrySchema(options: RegistrySchemaOptions): EventSchemaSource {
  const { registryName, schemaName: name, schemaVersion: version, reporter, log } = options;
  const key = `event-schema:${registryName}/${name}/${version ?? 'latest'}`;
  const wanted = { registry: registryName, name, version };
  let current: LoadedSchema | undefined;
  let content: string | undefined;
  let lastError: Error | undefined;

  async function refresh(signal: AbortSignal): Promise<string> {
    // It is looked for anew; and what did not compile was not worth keeping.
    options.cache.delete(key);
    const schema = await options.cache.get(
      key,
      (ending) => options.registry.describe(wanted, ending),
      { ttlMs: options.refreshMs, signal, endWhenAlone: true },
    );
    if (schema.content !== content || schema.version !== current?.version) {
      current = compileSchemaDefinition(
        { kind: 'registered', schema, component: options.component },
        schema.version,
      );
      content = schema.content;
      log.info(
        { registry: registryName, schema: name, version: schema.version },
        'Event schema loaded',
      );
    }
    lastError = undefined;
    return `registry, version ${schema.version}`;
  }

  const refreshes = startDependencyCheck({
    check: refresh,
    availability: createAvailability({
      what: `Event schema ${registryName}/${name}`,
      reporter: {
        up: (note) => reporter.up(note),
        down(error) {
          lastError = coerceError(error);
          if (current === undefined) reporter.down(error);
          else reporter.up(`registry, version ${current.version}; not refreshed`);
        },
      },
      log,
    }),
    consequence: () =>
      current === undefined ? 'events wait' : `version ${current.version} stays in use`,
    intervalMs: options.refreshMs,
    retry: options.retry ?? RETRY,
  });

  return {
    mode: options.mode,
    get current() {
      return current;
    },
    get lastError() {
      return lastError;
    },
    reload: () => refreshes.checkNow(),
    stop: () => refreshes.stop(),
  };
}
