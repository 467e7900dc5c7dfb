import { describe, expect, test } from 'vitest';
import { startMapApp, tickets } from '../../support/map-app.ts';

const BATCH = 'genesys.customattributes.batch';
const LIST = 'genesys.customattributes.list';

/** Every record is in exactly one list. */
function fates(body: Awaited<ReturnType<Awaited<ReturnType<typeof startMapApp>>['post']>>['body']) {
  return [...(body.written ?? []), ...body.rejected, ...body.failed, ...body.superseded]
    .map(({ index }) => index)
    .sort((a, b) => a - b);
}

describe('Genesys refuses our credentials or permissions', () => {
  test('401 once: a new token, and all is written', async () => {
    const app = await startMapApp();
    await app.post(tickets(1));
    app.sandbox.tokens.revokeAll();

    const { status, body } = await app.post(tickets(3));

    expect(status).toBe(200);
    expect(body.processed).toBe(3);
  });

  test('a token that expires half-way does not end the import', async () => {
    const app = await startMapApp({ batchSize: 1, maxInFlight: 2 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 10 });
    const posting = app.post(tickets(20));
    await expect.poll(() => app.writes(200)).toBeGreaterThan(4);
    app.sandbox.tokens.revokeAll();

    const { status, body } = await posting;

    expect(status).toBe(200);
    expect(body.processed).toBe(20);
    expect(app.sandbox.records.stored.size).toBe(20);
  });

  test('401 always: 502 genesys_credentials_refused, not our caller’s 401', async () => {
    const app = await startMapApp();
    app.sandbox.faults.add({ target: 'genesys', status: 401 });

    const { status, body } = await app.post(tickets(1));

    expect(status).toBe(502);
    expect(body['code']).toBe('genesys_credentials_refused');
  });

  test('the write permission is missing: 403 says which and who grants it, nothing is sent', async () => {
    const app = await startMapApp({ sandbox: { deniedPermissions: ['customattributes:write'] } });

    const { status, body } = await app.post(tickets(1));

    expect(status).toBe(403);
    expect(body).toMatchObject({
      code: 'genesys_permission_missing',
      missingPermission: 'customattributes:write',
    });
    expect(body['detail']).toContain('administrator');
    expect(app.writes()).toBe(0);
  });

  test('a 403 from a write stops the rest and clears the permission check', async () => {
    const app = await startMapApp({ batchSize: 2, maxInFlight: 1 });
    await app.post(tickets(1, 100));
    app.sandbox.denied.add('customattributes:write');

    const refused = await app.post(tickets(6));

    expect(refused.status).toBe(403);
    expect(refused.body['code']).toBe('genesys_permission_missing');
    expect(refused.body.failed.map(({ attempted }) => attempted)).toEqual([
      true,
      true,
      false,
      false,
      false,
      false,
    ]);
    expect(app.writes(403)).toBe(1);
    app.sandbox.denied.delete('customattributes:write');
    expect((await app.post(tickets(6))).status).toBe(200);
    // At the start, and again after the 403.
    expect(app.sandbox.requests.count('genesys.permissions')).toBe(2);
  });
});

describe('Genesys fails', () => {
  test('500 for ever: 502, nothing written, the rest never sent', async () => {
    const app = await startMapApp({ batchSize: 2, maxInFlight: 1, maxTries: 2 });
    app.sandbox.faults.add({ target: BATCH, status: 500 });

    const { status, body } = await app.post(tickets(6));

    expect(status).toBe(502);
    expect(body).toMatchObject({ code: 'genesys_unavailable', processed: 0, written: [] });
    expect(fates(body)).toEqual([0, 1, 2, 3, 4, 5]);
    expect(body.failed.filter(({ attempted }) => attempted)).toHaveLength(2);
    expect(app.writes(500)).toBe(2);
  });

  test('500 for good half-way: 207 says exactly what was written and why the rest was not', async () => {
    const app = await startMapApp({ batchSize: 2, maxInFlight: 1, maxTries: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 100 });
    const posting = app.post(tickets(10));
    await expect.poll(() => app.writes(200)).toBeGreaterThanOrEqual(1);
    app.sandbox.faults.add({ target: BATCH, status: 503 });

    const { status, body } = await posting;

    expect(status).toBe(207);
    expect(fates(body)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    expect(body.written?.map(({ id }) => id)).toEqual([...app.sandbox.records.stored.keys()]);
    expect(body['error']).toMatchObject({ code: 'genesys_unavailable' });
  });

  test('500 once: repeated, written once', async () => {
    const app = await startMapApp();
    app.sandbox.faults.add({ target: BATCH, status: 500, times: 1 });
    expect((await app.post(tickets(2))).status).toBe(200);
    expect(app.sandbox.records.written()).toBe(2);
  });

  test.each([['before' as const], ['middle' as const], ['after' as const]])(
    'a connection reset %s the answer: repeated safely',
    async (reset) => {
      const app = await startMapApp();
      app.sandbox.faults.add({ target: BATCH, reset, times: 1 });

      const { status, body } = await app.post(tickets(4));

      expect(status).toBe(200);
      expect(body.processed).toBe(4);
      expect(app.sandbox.records.stored.size).toBe(4);
    },
  );

  test('an answer that takes longer than the time limit: 504, and the outcome is said', async () => {
    const app = await startMapApp({ tryTimeoutMs: 100, maxTries: 1 });
    await app.post(tickets(1, 50));
    app.sandbox.faults.add({ target: BATCH, hang: true });

    const { status, body } = await app.post(tickets(2));

    expect(status).toBe(504);
    expect(body).toMatchObject({ code: 'genesys_timeout', processed: 0 });
    expect(fates(body)).toEqual([0, 1]);
  });

  test('a 200 with HTML: 502 genesys_bad_answer', async () => {
    const app = await startMapApp({ maxTries: 1 });
    app.sandbox.faults.add({ target: BATCH, html: true, status: 200 });

    const { status, body } = await app.post(tickets(2));

    expect(status).toBe(502);
    expect(body['code']).toBe('genesys_bad_answer');
    expect(fates(body)).toEqual([0, 1]);
  });

  test.each([
    ['seconds', '1'],
    ['a date', new Date(Date.now() + 1000).toUTCString()],
    ['nonsense', 'soon'],
  ])('429 with Retry-After as %s: waits, and writes everything', async (_name, retryAfter) => {
    const app = await startMapApp();
    app.sandbox.faults.add({ target: BATCH, status: 429, retryAfter, times: 1 });

    const { status, body } = await app.post(tickets(2));

    expect(status).toBe(200);
    expect(body.processed).toBe(2);
    expect(app.writes()).toBe(2);
  });

  test('429 for ever: 503 with Retry-After', async () => {
    const app = await startMapApp({ maxTries: 1 });
    app.sandbox.faults.add({ target: BATCH, status: 429, retryAfter: '7' });

    const response = await fetch(`${app.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orgId: 'acme', records: tickets(1) }),
    });

    expect(response.status).toBe(503);
    expect(response.headers.get('retry-after')).toBe('7');
  });

  test.each([
    ['the permissions', 'genesys.permissions'],
    ['the definitions', LIST],
    ['a parent', 'genesys.groups.get'],
  ])('%s cannot be read: an error, never a shorter list', async (_name, target) => {
    const app = await startMapApp({ maxTries: 1 });
    app.sandbox.faults.add({ target, status: 500 });

    const failed = await app.post(tickets(1), '', 'acme-emea-support');

    expect(failed.status).toBe(502);
    expect(app.writes()).toBe(0);
    app.sandbox.faults.clear();
    expect((await app.post(tickets(1), '', 'acme-emea-support')).status).toBe(200);
  });

  test('definitions whose pages never end: 502', async () => {
    const app = await startMapApp();
    app.sandbox.faults.add({ target: LIST, repeatPage: true });

    const { status, body } = await app.post(tickets(1));

    expect(status).toBe(502);
    expect(body['code']).toBe('genesys_endless_pages');
  });

  test('an organisation that Genesys does not know has what is defined for everybody', async () => {
    const app = await startMapApp();
    const { status, body } = await app.post(tickets(1), '', 'nobody');
    expect(status).toBe(200);
    expect(body.allowedAttributes).toEqual([
      'crm_channel_source',
      'crm_ticket_id',
      'crm_ticket_priority',
    ]);
  });

  test('404 for the definitions of the organisation: 502, nothing written', async () => {
    const app = await startMapApp();
    app.sandbox.faults.add({ target: LIST, status: 404 });
    const { status, body } = await app.post(tickets(1));
    expect(status).toBe(502);
    expect(body['code']).toBe('genesys_not_found');
  });

  test('a definition with a regex made to explode is matched in linear time', async () => {
    const app = await startMapApp();
    app.sandbox.organisation.addDefinition({
      name: 'crm_channel_source',
      type: 'string',
      validationRules: [{ type: 'regex', value: '^(a+)+$' }],
    });
    const { status, body } = await app.post([
      { ticketId: 'T1', sourceChannel: `${'a'.repeat(50_000)}!` },
    ]);
    expect(status).toBe(400);
    expect(body.rejected[0]?.errors[0]).toMatchObject({ rule: 'regex' });
  });

  test('a definition with a regex that does not compile: a clear error for those who use it', async () => {
    const app = await startMapApp();
    app.sandbox.organisation.addDefinition({
      name: 'crm_channel_source',
      type: 'string',
      validationRules: [{ type: 'regex', value: '(oops' }, { type: 'sentiment' }],
    });

    const { status, body } = await app.post([
      { ticketId: 'T1', sourceChannel: 'x' },
      { id: 'T2', priority: 'low' },
    ]);

    expect(status).toBe(207);
    expect(body.rejected[0]?.errors[0]?.message).toMatch(
      /crm_channel_source.*acme.*\(oops.*Genesys/,
    );
    expect(body.warnings.join()).toContain('"sentiment"');
    expect(body.written).toEqual([{ index: 1, id: 'T2' }]);
  });
});

describe('Genesys refuses records', () => {
  test('400 for a batch: split until the guilty record is found', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post([
      ...tickets(300),
      { id: 'poison-1', priority: 'low' },
      ...tickets(199, 301),
    ]);

    expect(status).toBe(207);
    expect(body.processed).toBe(499);
    expect(body.failed).toMatchObject([{ index: 300, id: 'poison-1', attempted: true }]);
    expect(app.sandbox.records.stored.size).toBe(499);
    expect(app.sandbox.records.written()).toBe(499);
    expect(app.writes()).toBeLessThan(25);
  });

  test('413 for a batch: split until it fits', async () => {
    const app = await startMapApp({ sandbox: { maxBatchBytes: 20_000 } });
    const { status } = await app.post(tickets(500));
    expect(status).toBe(200);
    expect(app.sandbox.records.written()).toBe(500);
  });

  test('no body of a write is larger than the bound', async () => {
    const app = await startMapApp({
      maxBatchBytes: 20_000,
      sandbox: { maxBatchBytes: 20_000 },
    });
    const records = tickets(60);
    for (const [index, record] of records.entries()) {
      record['sourceChannel'] = '"é\n'.repeat(index * 20);
    }
    expect((await app.post(records)).status).toBe(200);
    expect(app.writes(413)).toBe(0);
  });

  test('a record that would fit into the bound only without the body around it is rejected', async () => {
    const app = await startMapApp({ maxBatchBytes: 2000, sandbox: { maxBatchBytes: 2000 } });
    const { status, body } = await app.post([
      { id: 'T1', sourceChannel: 'x'.repeat(1950) },
      { id: 'T2', sourceChannel: 'x'.repeat(1900) },
    ]);
    expect(status).toBe(207);
    expect(body.rejected).toMatchObject([{ index: 0, errors: [{ rule: 'size' }] }]);
    expect(app.writes(413)).toBe(0);
  });

  test('an API that refuses everything is not flooded', async () => {
    const app = await startMapApp();
    const { status, body } = await app.post(
      Array.from({ length: 3000 }, (_, index) => ({ id: `poison-${index}`, priority: 'low' })),
    );
    // Those of the last batches were not tried alone, so nobody knows that they are bad.
    expect(status).toBe(502);
    expect(body['code']).toBe('genesys_write_failed');
    expect(body.failed).toHaveLength(3000);
    expect(new Set(body.failed.map(({ code }) => code))).toEqual(
      new Set(['genesys_refused', 'genesys_batch_refused']),
    );
    expect(app.writes()).toBeLessThan(2010);
  });

  test('a long run of bad records costs none of the good ones', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post([
      ...Array.from({ length: 480 }, (_, index) => ({ id: `poison-${index}`, priority: 'low' })),
      ...tickets(520),
    ]);

    expect(status).toBe(207);
    expect(body.processed).toBe(520);
    expect(
      body.failed.every(({ id, code }) => id.startsWith('poison') && code === 'genesys_refused'),
    ).toBe(true);
  });

  test('a refusal of every record is a 400', async () => {
    const app = await startMapApp();
    const { status, body } = await app.post([{ id: 'poison-1', priority: 'low' }]);
    expect(status).toBe(400);
    expect(body['code']).toBe('genesys_refused_records');
  });

  test('results per entity are honoured', async () => {
    const app = await startMapApp();
    app.sandbox.faults.add({
      target: BATCH,
      entryFailures: { ids: ['T2'], code: '503', message: 'busy' },
    });

    const { status, body } = await app.post([...tickets(3), { id: 'refuse-1', priority: 'low' }]);

    expect(status).toBe(207);
    expect(body.failed).toMatchObject([
      { index: 1, id: 'T2', error: 'busy' },
      { index: 3, id: 'refuse-1', code: 'genesys_refused' },
    ]);
    expect(body.written?.map(({ id }) => id)).toEqual(['T1', 'T3']);
  });
});

describe('the caller leaves', () => {
  test('nothing is sent any more; what was in flight is logged as unknown', async () => {
    const app = await startMapApp({ batchSize: 1, maxInFlight: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 300 });
    const leaving = new AbortController();
    const posting = fetch(`${app.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orgId: 'acme', records: tickets(50) }),
      signal: leaving.signal,
    });
    await expect.poll(() => app.sandbox.requests.maxInFlight(BATCH)).toBe(1);
    leaving.abort();
    await expect(posting).rejects.toThrow();

    await expect.poll(() => app.log()).toContain('Records mapped in part');
    expect(app.log()).toContain('unknown_outcome');
    await expect.poll(() => app.writes()).toBeGreaterThan(0);
    expect(app.writes()).toBeLessThan(5);
  });
});

describe('the service stops', () => {
  test('207 with what was written, when that was a part', async () => {
    const app = await startMapApp({ batchSize: 2, maxInFlight: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 200 });
    const posting = app.post(tickets(20));
    await expect.poll(() => app.writes(200)).toBeGreaterThanOrEqual(1);
    await app.stop(1);

    const { status, body } = await posting;

    expect(status).toBe(207);
    expect(body['error']).toMatchObject({ code: 'shutting_down' });
    expect(body.written?.length).toBeGreaterThan(0);
    expect(fates(body)).toEqual([...Array(20).keys()]);
    expect(app.log()).toContain('Records mapped in part');
  });

  test('503 with the fate of every record, when nothing was', async () => {
    const app = await startMapApp({ batchSize: 2, maxInFlight: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 60_000 });
    const posting = app.post(tickets(6));
    await expect.poll(() => app.sandbox.requests.maxInFlight(BATCH)).toBe(1);
    await app.stop(1);

    const { status, body } = await posting;

    expect(status).toBe(503);
    expect(body['code']).toBe('shutting_down');
    expect(body.failed.map(({ code }) => code)).toEqual([
      'unknown_outcome',
      'unknown_outcome',
      'import_aborted',
      'import_aborted',
      'import_aborted',
      'import_aborted',
    ]);
  });
});

test('the batch size shrinks under 429s and slow answers, in metrics and log', async () => {
  const app = await startMapApp({ batchSize: 200, maxBatchSize: 1000, maxInFlight: 1 });
  const sizeNow = async () =>
    (await app.registry.getSingleMetric('map_batch_size')?.get())?.values[0]?.value;
  expect(await sizeNow()).toBe(200);
  app.sandbox.faults.add({ target: BATCH, status: 429, retryAfter: '0', times: 1 });

  await app.post(tickets(150));

  expect(await sizeNow()).toBe(100);
  expect(app.log()).toContain('"batchSize":100,"reason":"throttled"');
  await app.post(tickets(100));
  expect(await sizeNow()).toBe(150);
});
