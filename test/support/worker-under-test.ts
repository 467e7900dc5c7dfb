import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import type { AwsCredentialsOptions } from '../../src/aws/sdk/credentials.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createReleasers } from '../../src/lib/releasers.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { loadConfig } from '../../src/settings/load-config.ts';
import type { WorkerOverrides } from '../../src/wiring/delivery.ts';
import { openEvents } from '../../src/wiring/events.ts';
import { connectGenesys } from '../../src/wiring/genesys.ts';
import { createShared } from '../../src/wiring/shared.ts';

/** Quicker than operators may set it. */
const QUICK = {
  GENESYS_REQUESTS_PER_MINUTE: 100_000,
  GENESYS_RETRY_BASE_MS: 5,
  GENESYS_RETRY_MAX_MS: 50,
  GENESYS_RETRY_BUDGET_MS: 2000,
  GENESYS_TRY_TIMEOUT_MS: 2000,
  AWS_REQUEST_TIMEOUT_MS: 2000,
  EVENT_STREAM_RETRY_MAX_MS: 50,
  EVENT_DEDUPE_ROWS: 10_000,
  JOURNAL_MAX_BYTES: 100_000_000,
  PUBLISH_MAX_IN_FLIGHT: 4,
  PUBLISH_RETRY_BASE_MS: 20,
  PUBLISH_RETRY_MAX_MS: 100,
};

export interface WorkerTestOptions {
  readonly worker?: Omit<WorkerOverrides, 'publish'>;
  readonly publish?: {
    readonly lingerMs?: number;
    readonly maxRetries?: number;
    readonly checkMs?: number;
  };
  readonly journal?: { readonly path?: string; readonly maxRows?: number };
  readonly credentials?: AwsCredentialsOptions;
  readonly livenessMs?: number;
  readonly schemaMode?: 'off' | 'warn' | 'enforce';
  readonly configuration?: { filterFile: string; expressionFile: string; schemaFile: string };
}

export async function sandboxForTest(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  onTestFinished(() => sandbox.stop());
  process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';
  return sandbox;
}

export async function journalFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'journal-'));
  onTestFinished(async () => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** The worker against a sandbox, wired as in the app; stopped and closed after the test. */
export async function workerOn(sandbox: Sandbox, options: WorkerTestOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const path = options.journal?.path ?? join(await journalFolder(), 'journal.db');
  const { configuration } = options;
  const releasers = createReleasers();
  const shared = createShared(
    {
      ...loadConfig({
        ...sandbox.environment,
        JOURNAL_PATH: path,
        EVENT_FILTER_FILE: configuration?.filterFile,
        EVENT_EXPRESSION_FILE: configuration?.expressionFile,
        EVENT_SCHEMA_FILE: configuration?.schemaFile,
        EVENT_SCHEMA_MODE: options.schemaMode ?? 'enforce',
      }),
      ...QUICK,
      JOURNAL_MAX_ROWS: options.journal?.maxRows ?? 100_000,
      EVENT_STREAM_LIVENESS_MS: options.livenessMs ?? 5000,
      PUBLISH_LINGER_MS: options.publish?.lingerMs ?? 2,
      PUBLISH_MAX_RETRIES: options.publish?.maxRetries ?? 5,
      EVENTBUS_CHECK_INTERVAL_MS: options.publish?.checkMs ?? 60_000,
    },
    { log, releasers },
  );
  const { client } = connectGenesys(shared);
  const { delivery, pipeline, stats, routes } = await openEvents(shared, client, {
    worker: { backOff: { baseMs: 20, capMs: 100 }, ...options.worker },
    credentials: options.credentials,
  });
  if (delivery?.worker === undefined || delivery.journal === undefined) {
    throw new Error('The sandbox must switch the worker on');
  }
  const { worker, journal, queue } = delivery;
  let closed = false;
  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await worker.stop(AbortSignal.timeout(2000));
    await releasers.release();
  }
  onTestFinished(close);
  const { health, registry } = shared;
  return { worker, journal, queue, stats, health, registry, pipeline, routes, path, lines, close };
}

let lastNumber = 0;

/** An interaction event as the source sends it; matches the default filter. */
export function interaction(changes: Readonly<Record<string, unknown>> = {}) {
  lastNumber += 1;
  return {
    id: `00000000-0000-4000-8000-${String(lastNumber).padStart(12, '0')}`,
    resourceType: 'interaction',
    eventType: 'created',
    createdTime: new Date().toISOString(),
    payload: { type: 'voice', priority: 'high', routing: { queue: { name: 'Größe 1' } } },
    ...changes,
  };
}

export function interactions(count: number) {
  return Array.from({ length: count }, () => interaction());
}
