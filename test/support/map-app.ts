// The whole of POST /map over real HTTP: routes, domain and Genesys adapters against a sandbox.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';
import { createInheritance } from '../../src/attributes/definitions/inheritance.ts';
import { createPermissionCheck } from '../../src/attributes/definitions/permission-check.ts';
import { createRecordImporter } from '../../src/attributes/import-records.ts';
import { createMapMetrics } from '../../src/attributes/map-metrics.ts';
import { createRecordMapper, type MapAnswer } from '../../src/attributes/map-records.ts';
import type { Mapping } from '../../src/attributes/mapping/mapping.ts';
import { parseMapping } from '../../src/attributes/mapping/mapping-file.ts';
import { createRecordConverters } from '../../src/attributes/mapping/record-converter.ts';
import { createFingerprints } from '../../src/attributes/upsert/fingerprints.ts';
import { createUpserter } from '../../src/attributes/upsert/upsert.ts';
import { createGenesysClient } from '../../src/genesys/client.ts';
import { createAttributeDefinitions } from '../../src/genesys/reference/attribute-definitions.ts';
import { createAttributeWriter } from '../../src/genesys/reference/attribute-writer.ts';
import { createOrganisationUnits } from '../../src/genesys/reference/organisation-units.ts';
import { createPermissions } from '../../src/genesys/reference/permissions.ts';
import { createTokenCache } from '../../src/genesys/tokens/token-cache.ts';
import { attributesRoute } from '../../src/http/routes/attributes-route.ts';
import { mapRoute } from '../../src/http/routes/map/map-route.ts';
import { createCache } from '../../src/lib/cache.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../src/lib/metrics.ts';
import { createTokenBucket } from '../../src/lib/token-bucket.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { startTestServer } from '../http/support/test-server.ts';

export const EXPRESSION_LIMITS = { timeoutMs: 1000, maxDepth: 200, maxSequence: 10_000 };

export const DEFAULT_MAPPING = JSON.stringify({
  id: ['ticketId', 'id'],
  attributes: {
    crm_ticket_id: 'ticketId',
    crm_ticket_priority: 'priority',
    crm_channel_source: 'sourceChannel',
  },
});

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
  readonly requestsPerMinute?: number;
  readonly maxRecords?: number;
  readonly maxLineBytes?: number;
  readonly lingerMs?: number;
}

export interface Answered {
  readonly status: number;
  readonly body: MapAnswer & Readonly<Record<string, unknown>>;
}

export interface MapApp {
  readonly url: string;
  readonly sandbox: Sandbox;
  readonly mapping: { current: Mapping };
  readonly registry: ReturnType<typeof createMetricsRegistry>;
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
  const registry = createMetricsRegistry();
  const { environment } = sandbox;
  const tryMs = options.tryTimeoutMs ?? 5000;
  const shared = {
    baseUrl: sandbox.url,
    timeouts: { connectMs: 2000, headersMs: tryMs, bodyMs: tryMs, tryMs },
    retry: { maxTries: options.maxTries ?? 3, baseMs: 2, capMs: 10, budgetMs: 20_000 },
    log,
  };
  const tokens = createTokenCache({
    ...shared,
    clientCredentials: {
      clientId: environment['GENESYS_CLIENT_ID'] ?? '',
      clientSecret: environment['GENESYS_CLIENT_SECRET'] ?? '',
    },
    renewalSeconds: 300,
  });
  onTestFinished(() => tokens.close());
  const client = createGenesysClient({
    ...shared,
    tokens,
    bucket: createTokenBucket({ perMinute: options.requestsPerMinute ?? 1_000_000 }),
    maxConnections: 16,
    registry,
  });
  onTestFinished(() => client.close());

  const folder = await mkdtemp(join(tmpdir(), 'map-app-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const fingerprints = createFingerprints({ path: join(folder, 'f.db'), maxRows: 10_000 });
  onTestFinished(() => fingerprints.close());

  const cache = createCache({ ttlMs: 3_600_000, maxEntries: 2000 });
  const metrics = createMapMetrics(registry);
  const permissionCheck = createPermissionCheck({
    permissions: createPermissions(client),
    cache,
    ttlMs: 60_000,
  });
  const inheritance = createInheritance({
    definitions: createAttributeDefinitions(client),
    units: createOrganisationUnits(client),
    cache,
  });
  const mapping = {
    current: parseMapping(options.mapping ?? DEFAULT_MAPPING, EXPRESSION_LIMITS),
  };
  const maxBatchBytes = options.maxBatchBytes ?? 500_000;
  const writer = createAttributeWriter(client);
  const converters = createRecordConverters({
    writer,
    permissionCheck,
    inheritance,
    mapping,
    maxBatchBytes,
  });
  const upserter = createUpserter({
    writer,
    permissionCheck,
    fingerprints,
    metrics,
    log,
    batchSize: options.batchSize ?? 500,
    minBatchSize: Math.min(50, options.batchSize ?? 500),
    maxBatchSize: options.maxBatchSize ?? options.batchSize ?? 1000,
    maxBatchBytes,
    maxInFlight: options.maxInFlight ?? 4,
    targetLatencyMs: options.targetLatencyMs ?? 2000,
  });
  const mapper = createRecordMapper({ converters, upserter, metrics });
  const importer = createRecordImporter({
    converters,
    upserter,
    metrics,
    maxLineBytes: options.maxLineBytes ?? 2_000_000,
    lingerMs: options.lingerMs ?? 50,
  });
  const server = await startTestServer(
    [
      mapRoute({ mapper, importer, maxRecords: options.maxRecords ?? 50_000 }),
      attributesRoute(inheritance),
    ],
    {
      log,
      registry,
      limits: {
        bodyBytes: 20_000_000,
        heldBodyBytes: 100_000_000,
        bodyTimeoutMs: 10_000,
        inFlight: 1000,
      },
    },
  );
  onTestFinished(() => server[Symbol.asyncDispose]());

  return {
    url: server.url,
    sandbox,
    mapping,
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
