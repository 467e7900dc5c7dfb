import { coerceError } from '../../errors.ts';
import { abortable } from '../../lib/abortable.ts';
import type { Cache } from '../../lib/cache.ts';
import type { DependencyReporter } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
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
  readonly health?: DependencyReporter;
  readonly sleep?: Sleep;
  readonly random?: () => number;
}

const RETRY = { baseMs: 1000, capMs: 30_000 };

/**
 * A schema of the AWS Schema Registry, loaded in the background: at once, again in time, and with
 * back-off after a failure. The last good version stays in use while the registry is away or has
 * something that does not compile; it is compiled again only when it changed.
 */
export function startRegistrySchema(options: RegistrySchemaOptions): EventSchemaSource {
  const { registryName: registry, schemaName: name, schemaVersion: version, log } = options;
  const key = `event-schema:${registry}/${name}/${version ?? 'latest'}`;
  const sleep = options.sleep ?? realSleep;
  const stopping = new AbortController();
  const facts = { registry, schema: name };
  let current: LoadedSchema | undefined;
  let content: string | undefined;
  let lastError: Error | undefined;
  let loading: Promise<boolean> | undefined;

  async function load(): Promise<boolean> {
    try {
      const wanted = version === undefined ? { registry, name } : { registry, name, version };
      const describe = async () => options.registry.describe(wanted, stopping.signal);
      const schema = await options.cache.get(key, describe, {
        ttlMs: options.refreshMs,
        signal: stopping.signal,
      });
      if (schema.content !== content || schema.version !== current?.version) {
        current = compileSchemaDefinition(
          { kind: 'registered', schema, component: options.component },
          schema.version,
        );
        content = schema.content;
        log.info({ ...facts, version: schema.version }, 'Event schema loaded');
      }
      lastError = undefined;
      options.health?.up(`registry, version ${schema.version}`);
      return true;
    } catch (error) {
      if (stopping.signal.aborted) return true;
      lastError = coerceError(error);
      log.warn(
        { ...facts, version: current?.version, reason: lastError.message },
        'Event schema could not be loaded',
      );
      if (current === undefined) options.health?.down(lastError);
      else options.health?.up(`registry, version ${current.version}; not refreshed`);
      // What does not compile is not worth keeping either.
      options.cache.delete(key);
      return false;
    } finally {
      loading = undefined;
    }
  }

  async function keepFresh(): Promise<void> {
    for (let failures = 0; ; ) {
      failures = (await (loading ??= load())) ? 0 : failures + 1;
      const waitMs =
        failures === 0 ? options.refreshMs : fullJitterMs(RETRY, failures, options.random);
      await sleep(waitMs, stopping.signal);
      options.cache.delete(key);
    }
  }
  const running = keepFresh().catch((error: unknown) => {
    if (!stopping.signal.aborted) throw error;
  });

  return {
    mode: options.mode,
    get current() {
      return current;
    },
    get lastError() {
      return lastError;
    },
    async reload() {
      options.cache.delete(key);
      await abortable((loading ??= load()), stopping.signal);
    },
    async stop() {
      stopping.abort(new Error('The event schema is no longer needed'));
      await running;
    },
  };
}
