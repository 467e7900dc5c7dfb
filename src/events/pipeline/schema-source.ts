import { coerceError } from '../../errors.ts';
import { abortable } from '../../lib/abortable.ts';
import type { Cache } from '../../lib/cache.ts';
import { openConfiguredFile, parseJson } from '../../lib/files/config-file.ts';
import type { DependencyReporter } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import type { RegisteredSchema, SchemaRegistry } from '../ports.ts';
import { compileEventSchema, type EventSchema, type SchemaMode } from './event-schema.ts';
import { compileRegisteredSchema } from './registered-schema.ts';

/** A schema as text, from which it can be compiled again elsewhere. */
export type SchemaDefinition =
  | { readonly kind: 'file'; readonly text: string }
  | {
      readonly kind: 'registered';
      readonly schema: RegisteredSchema;
      readonly component: string | undefined;
    };

export interface LoadedSchema extends EventSchema {
  readonly version: string;
  readonly definition: SchemaDefinition;
}

/** Where the schema comes from; `current` is `undefined` until it was loaded for the first time. */
export interface EventSchemaSource {
  readonly mode: SchemaMode;
  readonly current: LoadedSchema | undefined;
  /** Looks for a new version now. A failure is logged and shows in `lastError`. */
  reload(): Promise<void>;
  /** Why the last look failed; the last good version is in use meanwhile. */
  readonly lastError: Error | undefined;
  stop(): Promise<void>;
}

/** @throws ConfigError when the schema is none, with its JSON position where there is one. */
export function compileDefinition(definition: SchemaDefinition, version: string): LoadedSchema {
  const schema =
    definition.kind === 'file'
      ? compileEventSchema(parseJson(definition.text, 'schema'))
      : compileRegisteredSchema(definition.schema, definition.component);
  return { issues: (transformed) => schema.issues(transformed), version, definition };
}

/** Nothing is validated. */
export function noSchema(): EventSchemaSource {
  const stop = async () => undefined;
  return { mode: 'off', current: undefined, lastError: undefined, reload: stop, stop };
}

export interface SchemaFileOptions {
  readonly path: string;
  readonly mode: SchemaMode;
  readonly log: Logger;
  /** Of the schema in use. */
  readonly health?: DependencyReporter;
  /** Of the file: also learns of a broken edit, while the schema in use stays. */
  readonly fileReporter?: DependencyReporter;
  readonly pollMs?: number;
}

/** A schema in a file that may be edited while the service runs. @throws when it is unusable now. */
export async function openSchemaFile(options: SchemaFileOptions): Promise<EventSchemaSource> {
  const file = await openConfiguredFile({
    path: options.path,
    log: options.log,
    reporter: options.fileReporter,
    ...(options.pollMs === undefined ? {} : { pollMs: options.pollMs }),
    parse: (text, version) => compileDefinition({ kind: 'file', text }, version),
    onChange: (schema) => options.health?.up(`file, version ${schema.version}`),
  });
  options.health?.up(`file, version ${file.version}`);
  return {
    mode: options.mode,
    get current() {
      return file.current;
    },
    get lastError() {
      return file.lastError;
    },
    async reload() {
      await file.reload();
    },
    async stop() {
      file.stop();
    },
  };
}

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
        current = compileDefinition(
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
