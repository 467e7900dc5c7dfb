// The whole service against its own OpenAPI document: nothing it answers is undocumented.
import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultRule } from '../../../src/sandbox/faults.ts';
import { startAppWithSandbox, until } from '../../support/app.ts';
import { callEveryOperation } from '../../support/openapi-contract.ts';

let app: Awaited<ReturnType<typeof startAppWithSandbox>>;
let document: Record<string, unknown>;

beforeAll(async () => {
  app = await startAppWithSandbox(
    { traffic: 100, conversations: 2000 },
    // Nothing is kept between two calls, so that every fault is met by each of them.
    {
      GENESYS_MAX_TRIES: '2',
      GENESYS_TRY_TIMEOUT_MS: '300',
      GENESYS_RETRY_BUDGET_MS: '500',
      REPORT_CACHE_TTL_SECONDS: '0',
      PERMISSION_CACHE_TTL_SECONDS: '1',
      SCHEMA_CACHE_TTL_SECONDS: '1',
    },
  );
  await app.ready();
  document = (await (await app.get('/openapi.json')).json()) as typeof document;
});

afterAll(() => app.stop());

const queries = { listAttributes: '?orgId=acme', mapRecords: '?orgId=acme-emea' };
const streams = {
  'application/x-ndjson': '{"ticketId":"T1","priority":"high"}\n{"ticketId":"T2","priority":7}\n',
};

/** The document with an example of two records, so that one of them can fail. */
function withTwoRecords(): Record<string, unknown> {
  return JSON.parse(JSON.stringify(document), (key, value: unknown) =>
    key === 'records' && Array.isArray(value)
      ? [...(value as unknown[]), { ticketId: 'T1' }]
      : value,
  ) as Record<string, unknown>;
}

async function callAll(): Promise<{ operations: Map<string, number[]>; faults: string[] }> {
  const calls = await callEveryOperation({
    baseUrl: app.url,
    document: withTwoRecords(),
    queries,
    streams,
  });
  const operations = new Map<string, number[]>();
  for (const { operationId, status } of calls) {
    operations.set(operationId, [...(operations.get(operationId) ?? []), status]);
  }
  const faults = calls.flatMap((call) =>
    call.faults.map((fault) => `${call.operationId} (${call.attempt}): ${fault}`),
  );
  return { operations, faults };
}

test('the document is valid OpenAPI 3.1 and names every operation', async () => {
  const validator = new Validator();
  expect(await validator.validate(structuredClone(document))).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  const paths = document['paths'] as Record<string, Record<string, unknown>>;
  const operations = Object.entries(paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => `${method} ${path}`),
  );
  expect(operations.sort()).toEqual([
    'get /attributes',
    'get /dead-letters',
    'get /livez',
    'get /metrics',
    'get /openapi.json',
    'get /readyz',
    'get /report',
    'get /status',
    'get /version',
    'post /dead-letters/discard',
    'post /dead-letters/replay',
    'post /log-level',
    'post /map',
    'post /simulate',
    'post /worker/pause',
    'post /worker/resume',
  ]);
});

test('every operation answers as documented, and its example works', async () => {
  await until(() => app.sandbox.cloud.busEventCount() > 10, 'published events');
  const { operations, faults } = await callAll();
  expect(faults).toEqual([]);
  for (const [operationId, statuses] of operations) {
    expect(statuses.some((status) => status < 300) ? 'works' : operationId).toBe('works');
  }
});

test.each<[string, number, FaultRule]>([
  ['Genesys refuses our tokens', 502, { target: 'genesys', status: 401 }],
  ['Genesys lacks a permission', 403, { target: 'genesys.customattributes', status: 403 }],
  ['Genesys asks to wait', 503, { target: 'genesys', status: 429, retryAfter: '1' }],
  ['Genesys fails', 502, { target: 'genesys', status: 500 }],
  ['Genesys never answers', 504, { target: 'genesys', hang: true }],
  ['Genesys talks nonsense', 502, { target: 'genesys', body: '{"entities":7}' }],
  ['Genesys refuses every record', 400, { target: 'genesys.customattributes.batch', status: 400 }],
  [
    'Genesys refuses some records',
    207,
    {
      target: 'genesys.customattributes.batch',
      entryFailures: { ids: ['T1001'], code: 'invalid' },
    },
  ],
  [
    'AWS denies access',
    200,
    { target: 'aws', status: 403, code: 'AccessDenied', message: 'not authorized' },
  ],
  ['AWS fails', 200, { target: 'aws', status: 500, code: 'InternalFailure' }],
])(
  'while %s every answer is a documented one, and POST /map says %i',
  async (...[, status, fault]) => {
    app.sandbox.faults.add(fault);
    try {
      const { operations, faults } = await callAll();
      expect(faults).toEqual([]);
      expect(operations.get('mapRecords')).toContain(status);
      if (fault.target === 'aws') {
        expect(operations.get('listDeadLetters')?.every((answered) => answered >= 400)).toBe(true);
      }
      for (const accept of ['application/json', 'text/csv', 'text/event-stream']) {
        const answer = await app.get('/report?detail=true', { headers: { accept } });
        await answer.text();
        const type = answer.ok ? accept : 'application/problem+json';
        expect(answer.headers.get('content-type')?.split(';', 1)).toEqual([type]);
      }
    } finally {
      app.sandbox.faults.clear();
    }
  },
  30_000,
);
