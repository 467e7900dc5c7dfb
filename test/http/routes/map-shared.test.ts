// `skipUnchanged` where several processes write the same records: right with a table, else refused.
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Sandbox, startSandbox } from '../../../src/sandbox/sandbox.ts';
import type { Environment } from '../../../src/settings/load-config.ts';
import { startApp, type TestApp, until } from '../../support/app.ts';
import { type Dynamo, refuse, startDynamo } from '../../support/dynamo.ts';
import { ndjson, tickets } from '../../support/map-app.ts';

const SKIP = '?skipUnchanged=true';

async function startTwo(environment: Environment = {}) {
  const sandbox = await startSandbox({});
  onTestFinished(() => sandbox.stop());
  const dynamo = await startDynamo();
  await dynamo.createTable('fingerprints');
  const apps: TestApp[] = [];
  for (let number = 0; number < 2; number += 1) {
    apps.push(await start(sandbox, { ...withTable(dynamo), ...environment }));
  }
  const [a, b] = apps;
  if (a === undefined || b === undefined) throw new Error('There are not two');
  return { sandbox, dynamo, a, b };
}

async function start(sandbox: Sandbox, environment: Environment): Promise<TestApp> {
  const app = await startApp({ ...sandbox.environment, ROLES: 'api', ...environment });
  onTestFinished(() => app.stop());
  await app.ready();
  return app;
}

const withTable = (dynamo: Dynamo) => ({
  // A machine that is busy is no table that is away.
  AWS_REQUEST_TIMEOUT_MS: '60000',
  FINGERPRINT_TABLE: 'fingerprints',
  AWS_ENDPOINT_URL_DYNAMODB: dynamo.url,
});

async function post(app: TestApp, records: readonly unknown[], query = SKIP) {
  const response = await app.post(`/map${query}`, { orgId: 'acme', records });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

async function importAll(app: TestApp, records: readonly unknown[]) {
  const response = await app.get(`/map?orgId=acme&skipUnchanged=true`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: ndjson(records),
  });
  const last = (await response.text()).trimEnd().split('\n').at(-1) ?? '';
  return (JSON.parse(last) as { summary: Record<string, unknown> }).summary;
}

const priorityOf = ({ records }: Sandbox, id: string) =>
  records.stored.get(id)?.entity['crm_ticket_priority'];

test('what another process wrote meanwhile is not unchanged', async () => {
  const { sandbox, a, b } = await startTwo();
  const [low] = tickets(1);
  const high = { ...low, priority: 'high' };

  await post(a, [high]);
  await post(b, [low], '');
  const { body } = await post(a, [high]);

  expect(body).toMatchObject({ processed: 1, unchanged: 0 });
  expect(priorityOf(sandbox, 'T1')).toBe('high');
  expect((await post(b, [high])).body).toMatchObject({ processed: 0, unchanged: 1 });
});

test('two imports of the same records at once: then Genesys has what was confirmed last', async () => {
  const { sandbox, a, b } = await startTwo({ MAP_BATCH_SIZE: '50', MAP_MIN_BATCH_SIZE: '50' });
  const count = 300;
  const recordsOf = (priority: string) =>
    tickets(count)
      .map((ticket) => Object.assign(ticket, { priority }))
      .toSorted(() => Math.random() - 0.5);

  const at = await Promise.all([importAll(a, recordsOf('low')), importAll(b, recordsOf('high'))]);
  for (const { written, error } of at) expect([written, error]).toEqual([count, undefined]);

  // Each says of the rest that it is unchanged: then Genesys has it.
  for (const [app, priority] of [
    [a, 'low'],
    [b, 'high'],
    [a, 'high'],
  ] as const) {
    const summary = await importAll(app, recordsOf(priority));
    expect(summary).toMatchObject({ success: true });
    for (const { ticketId } of tickets(count)) {
      expect(priorityOf(sandbox, String(ticketId))).toBe(priority);
    }
    if (app === a && priority === 'high') expect(summary).toMatchObject({ unchanged: count });
  }
}, 60_000);

describe('the table is away', () => {
  test('what cannot be announced is not written, and what was written stays known', async () => {
    const { sandbox, dynamo, a, b } = await startTwo();
    const [low] = tickets(1);
    const high = { ...low, priority: 'high' };
    await post(a, [low]);
    dynamo.fault = (operation, response) =>
      operation === 'UpdateItem' && refuse(response, 400, 'AccessDeniedException');

    const { status, body } = await post(a, [high], '');

    expect(status).toBe(503);
    expect(body).toMatchObject({
      code: 'fingerprints_unavailable',
      failed: [{ attempted: false, code: 'fingerprints_unavailable' }],
    });
    expect(priorityOf(sandbox, 'T1')).toBe('low');
    const metrics = await (await a.get('/metrics')).text();
    expect(metrics).toContain('map_fingerprint_failures_total{operation="announce"} 1');
    // Reports go on; who looks sees why the others do not.
    expect((await a.get('/readyz')).status).toBe(200);
    expect(await (await a.get('/status')).text()).toContain('dynamodb_access_denied');
    dynamo.fault = () => false;
    expect((await post(b, [low])).body).toMatchObject({ unchanged: 1 });
  });

  test('what cannot be asked about is written', async () => {
    const { dynamo, a } = await startTwo();
    await post(a, tickets(3));
    dynamo.fault = (operation, response) =>
      operation === 'BatchGetItem' && refuse(response, 400, 'AccessDeniedException');
    expect((await post(a, tickets(3))).body).toMatchObject({ processed: 3, unchanged: 0 });
  });

  test('a table that is not there is said at the start', async () => {
    const sandbox = await startSandbox({});
    onTestFinished(() => sandbox.stop());
    const dynamo = await startDynamo();
    const app = await start(sandbox, withTable(dynamo));
    const isSaid = () => app.log.some(({ code }) => code === 'dynamodb_table_missing');
    await until(isSaid, 'the line');
  });
});

describe('without a table', () => {
  test.each([
    ['ROLES=api', { ROLES: 'api' }],
    ['ROLES=api', { ROLES: undefined, WORKER_ENABLED: 'false' }],
    ['BUFFER_QUEUE_URL', { ROLES: 'api', BUFFER_QUEUE_URL: 'http://127.0.0.1:1/0/b.fifo' }],
  ])('%s: refused with the reason, and the rest goes on: %j', async (_why, environment) => {
    const sandbox = await startSandbox({});
    onTestFinished(() => sandbox.stop());
    const app = await start(sandbox, environment);

    const { status, body } = await post(app, tickets(1));

    expect(status).toBe(400);
    expect(body).toMatchObject({
      code: 'skip_unchanged_not_shared',
      detail: expect.stringContaining('FINGERPRINT_TABLE') as unknown,
    });
    expect(sandbox.records.stored.size).toBe(0);
    const line = await app.get(`/map?orgId=acme&skipUnchanged=true`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: ndjson(tickets(1)),
    });
    expect(line.status).toBe(400);
    expect((await post(app, tickets(1), '')).body).toMatchObject({ processed: 1 });
  });

  test('one process that does everything needs none', async () => {
    const sandbox = await startSandbox({});
    onTestFinished(() => sandbox.stop());
    const app = await start(sandbox, { ROLES: undefined });
    await post(app, tickets(1));
    expect((await post(app, tickets(1))).body).toMatchObject({ unchanged: 1 });
  });
});
