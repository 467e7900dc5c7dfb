import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createEventBus } from '../../src/aws/event-bridge.ts';
import { type AwsCredentialsOptions, createCredentials } from '../../src/aws/sdk/credentials.ts';
import { createDeadLetterQueue } from '../../src/aws/sqs/dead-letter-queue.ts';
import { createJournal, type JournalOptions } from '../../src/events/journal/journal.ts';
import { openPipeline } from '../../src/events/pipeline/live-pipeline.ts';
import { openSchemaFile } from '../../src/events/pipeline/schema-file.ts';
import { createPipelineStats } from '../../src/events/telemetry/pipeline-stats.ts';
import { createWorker, type WorkerOptions } from '../../src/events/worker/worker.ts';
import { createGenesysClient } from '../../src/genesys/client.ts';
import { createEventSource } from '../../src/genesys/reference/event-source.ts';
import { createTokenCache } from '../../src/genesys/tokens/token-cache.ts';
import { createHealth } from '../../src/lib/health/health.ts';
import { createTokenBucket } from '../../src/lib/limits/token-bucket.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../src/lib/metrics.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';

const RETRY = { maxTries: 3, baseMs: 5, capMs: 50, budgetMs: 2000 };
const TIMEOUTS = { connectMs: 1000, headersMs: 1000, bodyMs: 1000, tryMs: 2000 };

export interface WorkerTestOptions {
  readonly worker?: Partial<Omit<WorkerOptions, 'publish'>>;
  readonly publish?: {
    readonly lingerMs?: number;
    readonly maxRetries?: number;
    readonly checkMs?: number;
  };
  readonly journal?: Partial<JournalOptions>;
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

/** The worker with its real adapters against a sandbox; stopped and closed after the test. */
export async function workerOn(sandbox: Sandbox, options: WorkerTestOptions = {}) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const { environment } = sandbox;
  const registry = createMetricsRegistry();
  const health = createHealth();
  const stats = createPipelineStats();
  const tokens = createTokenCache({
    baseUrl: sandbox.url,
    clientCredentials: {
      clientId: environment['GENESYS_CLIENT_ID'] ?? '',
      clientSecret: environment['GENESYS_CLIENT_SECRET'] ?? '',
    },
    renewalSeconds: 300,
    timeouts: TIMEOUTS,
    retry: RETRY,
    log,
  });
  const genesys = createGenesysClient({
    baseUrl: sandbox.url,
    tokens,
    bucket: createTokenBucket({ perMinute: 100_000 }),
    timeouts: TIMEOUTS,
    maxConnections: 4,
    retry: RETRY,
    registry,
    log,
  });
  const aws = {
    credentials: createCredentials(options.credentials),
    region: 'us-east-1',
    endpoint: sandbox.url,
    maxSockets: 8,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 2000,
    log,
  };
  const bus = createEventBus({
    ...aws,
    busName: environment['EVENTBUS_NAME'] ?? '',
    maxBytes: 1_000_000,
  });
  const queue = createDeadLetterQueue({ ...aws, queueUrl: environment['DLQ_QUEUE_URL'] ?? '' });
  const schema = await openSchemaFile({
    path: options.configuration?.schemaFile ?? 'config/event-schema.json',
    mode: options.schemaMode ?? 'enforce',
    log,
  });
  const pipeline = await openPipeline({
    filterFile: options.configuration?.filterFile ?? 'config/event-filter.json',
    expressionFile: options.configuration?.expressionFile ?? 'config/event-transform.jsonata',
    limits: { timeoutMs: 1000, maxDepth: 200, maxSequence: 1000 },
    schema,
    log,
  });
  const path = options.journal?.path ?? join(await journalFolder(), 'journal.db');
  const journal = createJournal({
    maxBytes: 100_000_000,
    maxRows: 100_000,
    dedupeRows: 10_000,
    ...options.journal,
    path,
  });
  const worker = createWorker({
    source: createEventSource(genesys, {
      livenessMs: options.livenessMs ?? 5000,
      maxLineBytes: 262_144,
    }),
    bus,
    queue,
    pipeline,
    journal,
    stats,
    health,
    registry,
    log,
    streamRetryMaxMs: 50,
    publish: {
      lingerMs: options.publish?.lingerMs ?? 2,
      maxInFlight: 4,
      checkMs: options.publish?.checkMs,
      retry: { maxRetries: options.publish?.maxRetries ?? 5, baseMs: 20, capMs: 100 },
    },
    backOff: { baseMs: 20, capMs: 100 },
    ...options.worker,
  });
  let closed = false;
  async function close(): Promise<void> {
    if (closed) return;
    closed = true;
    await worker.stop(AbortSignal.timeout(2000));
    await pipeline.stop();
    journal.close();
    bus.close();
    queue.close();
    await genesys.close();
    await tokens.close();
  }
  onTestFinished(close);
  return { worker, journal, stats, health, registry, pipeline, queue, bus, path, lines, close };
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
