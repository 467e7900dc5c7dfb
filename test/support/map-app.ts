// The whole of POST /map over real HTTP: routes, domain and Genesys adapters against a sandbox.
import { onTestFinished } from 'vitest';
import type { MapAnswer } from '../../src/attributes/map-records.ts';
import { createLogger } from '../../src/lib/logger.ts';
import type { Registry } from '../../src/lib/metrics.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestServer } from '../http/support/test-server.ts';
import { attributesUnderTest } from './attributes-under-test.ts';

export interface MapAppOptions {
  readonly sandbox?: SandboxOptions;
  readonly mapping?: string;
  readonly batchSize?: number;
  /** Default: `batchSize`, so that it stays as it is. */
  readonly maxBatchSize?: number;
  readonly maxBatchBytes?: number;
  readonly maxInFlight?: number;
  readonly targetLatencyMs?: number;
  readonly maxTries?: number;
  readonly tryTimeoutMs?: number;
  readonly maxRecords?: number;
  readonly maxLineBytes?: number;
  readonly lingerMs?: number;
  readonly bodyTimeoutMs?: number;
}

export interface Answered {
  readonly status: number;
  readonly body: MapAnswer & Readonly<Record<string, unknown>>;
}

export interface MapApp {
  readonly url: string;
  readonly sandbox: Sandbox;
  readonly registry: Registry;
  /** Everything logged, as one text. */
  log(): string;
  post(records: unknown, query?: string, orgId?: string): Promise<Answered>;
  /** Sends NDJSON text and returns the lines of the answer. */
  stream(body: string | Buffer, query?: string): Promise<Record<string, Record<string, unknown>>[]>;
  /** As at the end of the process: after `timeoutMs` the signals of requests abort. */
  stop(timeoutMs: number): Promise<void>;
  /** Batches that were sent, by how they ended if given. */
  writes(status?: number | 'reset' | 'hang' | 'aborted'): number;
}

/** Ends by itself after the test. The three default attributes are defined for every unit. */
export async function startMapApp(options: MapAppOptions = {}): Promise<MapApp> {
  const sandbox = await startSandbox(options.sandbox);
  onTestFinished(() => sandbox.stop());
  for (const name of ['crm_ticket_id', 'crm_channel_source']) {
    sandbox.organisation.addDefinition({ name, type: 'string' });
  }
  sandbox.organisation.addDefinition({
    name: 'crm_ticket_priority',
    type: 'string',
    validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
  });

  const lines: string[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (l) => void lines.push(l) } });
  const tryMs = options.tryTimeoutMs ?? 5000;
  const batchSize = options.batchSize ?? 500;
  const { routes, registry } = await attributesUnderTest(
    sandbox.environment,
    {
      GENESYS_HEADERS_TIMEOUT_MS: tryMs,
      GENESYS_BODY_TIMEOUT_MS: tryMs,
      GENESYS_TRY_TIMEOUT_MS: tryMs,
      GENESYS_MAX_TRIES: options.maxTries ?? 3,
      GENESYS_RETRY_BUDGET_MS: 20_000,
      MAP_BATCH_SIZE: batchSize,
      MAP_MIN_BATCH_SIZE: Math.min(50, batchSize),
      MAP_MAX_BATCH_BYTES: options.maxBatchBytes ?? 500_000,
      MAP_MAX_IN_FLIGHT: options.maxInFlight ?? 4,
      MAP_TARGET_LATENCY_MS: options.targetLatencyMs ?? 2000,
      MAP_MAX_RECORDS: options.maxRecords ?? 5000,
      HTTP_LINE_LIMIT_BYTES: options.maxLineBytes ?? 2_000_000,
    },
    {
      log,
      mapping: options.mapping,
      maxBatchSize: options.maxBatchSize ?? options.batchSize,
      lingerMs: options.lingerMs ?? 50,
    },
  );
  const server = await startTestServer(routes, {
    log,
    registry,
    limits: {
      bodyBytes: 2_097_152,
      jsonValues: 100_000,
      heldBodyBytes: 50_000_000,
      bodyTimeoutMs: options.bodyTimeoutMs ?? 10_000,
      inFlight: 1000,
    },
  });
  onTestFinished(() => server[Symbol.asyncDispose]());

  return {
    url: server.url,
    sandbox,
    registry,
    log: () => lines.join(''),
    async post(records, query = '', orgId = 'acme') {
      const response = await fetch(`${server.url}/map${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ orgId, records }),
      });
      return { status: response.status, body: (await response.json()) as Answered['body'] };
    },
    async stream(body, query = '?orgId=acme') {
      const response = await fetch(`${server.url}/map${query}`, {
        method: 'POST',
        headers: { 'content-type': 'application/x-ndjson' },
        body,
      });
      const answer = await response.text();
      if (response.status !== 200) throw new Error(`${response.status}: ${answer}`);
      return answer
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as Record<string, Record<string, unknown>>);
    },
    stop: (timeoutMs) => server.server.stop(timeoutMs),
    writes: (status) => sandbox.requests.count('genesys.customattributes.batch', status),
  };
}

/** Good records `T1` … `Tn`. */
export function tickets(count: number, first = 1): Record<string, unknown>[] {
  return Array.from({ length: count }, (_, index) => ({
    ticketId: `T${index + first}`,
    priority: ['low', 'medium', 'high', 'critical'][index % 4],
    sourceChannel: 'web',
  }));
}

export function ndjson(records: readonly unknown[]): string {
  return records.map((record) => `${JSON.stringify(record)}\n`).join('');
}
