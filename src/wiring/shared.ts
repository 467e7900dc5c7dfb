import { AsyncLocalStorage } from 'node:async_hooks';
import { type Cache, createCache } from '../lib/cache.ts';
import type { ExpressionLimits } from '../lib/expression/expression.ts';
import { keepPrivate } from '../lib/files/private-files.ts';
import { createHealth, type Health } from '../lib/health/health.ts';
import type { LogOutput } from '../lib/limits/log-output.ts';
import type { Logger } from '../lib/logger.ts';
import { Counter, createMetricsRegistry, type Registry } from '../lib/metrics.ts';
import type { Network } from '../lib/network/outgoing-agent.ts';
import type { Releasers } from '../lib/releasers.ts';
import type { Config } from '../settings/load-config.ts';
import { type Role, rolesOf } from '../settings/roles.ts';

export interface ServedRequest {
  /** W3C trace context. */
  readonly traceparent: string;
  /** Whom limits count. */
  readonly caller: string;
}

/** What every part of one app shares. */
export interface Shared {
  readonly config: Config;
  /** What this process does. */
  readonly roles: ReadonlySet<Role>;
  readonly log: Logger;
  readonly health: Health;
  readonly registry: Registry;
  readonly schemas: Cache;
  readonly limits: ExpressionLimits;
  readonly releasers: Releasers;
  /** The request that is being served, for the calls made on its behalf. */
  readonly served: AsyncLocalStorage<ServedRequest>;
}

export function createShared(
  config: Config,
  { log, releasers }: Pick<Shared, 'log' | 'releasers'>,
): Shared {
  return {
    config,
    roles: rolesOf(config),
    log,
    health: createHealth(),
    registry: createMetricsRegistry(),
    schemas: createCache({
      ttlMs: config.SCHEMA_CACHE_TTL_SECONDS * 1000,
      maxEntries: config.SCHEMA_CACHE_MAX_ENTRIES,
    }),
    limits: {
      timeoutMs: config.JSONATA_TIMEOUT_MS,
      maxDepth: config.JSONATA_MAX_DEPTH,
      maxSequence: config.JSONATA_MAX_SEQUENCE,
      compile: config.JSONATA_COMPILE,
    },
    releasers,
    served: new AsyncLocalStorage(),
  };
}

export function countDroppedLines(
  registry: Registry,
  output: Pick<LogOutput, 'droppedLines'>,
): void {
  const dropped: Counter = new Counter({
    name: 'bridge_log_lines_dropped_total',
    help: 'Lines of the log that were dropped because nobody read them in time',
    registers: [registry],
    collect() {
      dropped.reset();
      dropped.inc(output.droppedLines);
    },
  });
}

/** Nobody else on this machine reads what is kept of events and records. */
export function keepFilesPrivate(config: Config, log: Logger): void {
  const open = [config.JOURNAL_PATH, config.FINGERPRINT_PATH].flatMap(keepPrivate);
  if (open.length > 0) {
    log.warn({ open }, 'Other users may read these files, or exchange what is in these folders');
  }
}

/** What is between this process and everybody whom it calls. */
export function networkOf(config: Config): Network {
  return {
    httpsProxy: config.HTTPS_PROXY,
    httpProxy: config.HTTP_PROXY,
    noProxy: config.NO_PROXY,
    authorities: config.NODE_EXTRA_CA_CERTS,
  };
}

/** Of a stop's time, what the server and the files get after the worker has drained. */
export const CLOSE_SHARE = 0.2;
