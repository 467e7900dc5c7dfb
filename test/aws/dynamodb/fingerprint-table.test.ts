import { DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { expect, onTestFinished, test } from 'vitest';
import {
  createFingerprintTable,
  type FingerprintOperation,
  type FingerprintTableOptions,
} from '../../../src/aws/dynamodb/fingerprint-table.ts';
import { type Dynamo, refuse, startDynamo } from '../../support/dynamo.ts';
import { importOf, update } from '../../support/fingerprints.ts';
import { useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

async function start(options: Partial<FingerprintTableOptions> = {}) {
  const dynamo = await startDynamo();
  await dynamo.createTable('fingerprints');
  return { dynamo, ...open(dynamo, options) };
}

function open(dynamo: Dynamo, options: Partial<FingerprintTableOptions> = {}) {
  const failures: { code: string; operation: FingerprintOperation; records: number }[] = [];
  const table = createFingerprintTable({
    ...wayTo(dynamo.url),
    table: 'fingerprints',
    patienceMs: 10_000,
    onFailure: ({ code }, operation, records) => failures.push({ code, operation, records }),
    ...options,
  });
  onTestFinished(() => table.close());
  return { table, failures };
}

const many = (count: number, value = 'x') =>
  Array.from({ length: count }, (_, index) => update(`T${index}`, value));

async function known(of: ReturnType<typeof open>['table'], updates: ReturnType<typeof many>) {
  return (await of.open(() => false).unchanged(updates)).size;
}

test('a few hundred records are asked about by hundreds', async () => {
  const { dynamo, table } = await start();
  await importOf(table).write(...many(250));
  dynamo.calls.clear();
  expect(await known(table, many(250))).toBe(250);
  expect(await known(table, many(250, 'y'))).toBe(0);
  expect(Object.fromEntries(dynamo.calls)).toEqual({ BatchGetItem: 6 });
});

test('what is throttled now and then comes to its end all the same', async () => {
  const { dynamo, table, failures } = await start();
  let calls = 0;
  dynamo.fault = (_operation, response) =>
    ++calls % 3 === 0 &&
    refuse(response, 400, 'ProvisionedThroughputExceededException', 'The level of capacity');
  await importOf(table).write(...many(50));
  expect(await known(table, many(50))).toBe(50);
  expect(failures).toEqual([]);
});

test('keys that an answer leaves out are asked for again', async () => {
  const { dynamo, table, failures } = await start();
  await importOf(table).write(...many(3));
  let asked = 0;
  dynamo.fault = (operation, response) => {
    if (operation !== 'BatchGetItem' || ++asked > 1) return false;
    const Keys = [{ key: { B: 'AAAA' } }];
    response.writeHead(200, { 'content-type': 'application/x-amz-json-1.0' });
    response.end(JSON.stringify({ Responses: {}, UnprocessedKeys: { fingerprints: { Keys } } }));
    return true;
  };
  await known(table, many(3));
  expect(asked).toBe(2);
  expect(failures).toEqual([]);
});

test('a lost answer to an announcement makes nobody believe that another one is writing', async () => {
  const { dynamo, table } = await start();
  let lost = 0;
  dynamo.fault = (operation, response) => {
    if (operation !== 'UpdateItem' || lost > 0) return false;
    lost += 1;
    // The engine gets the call, and its answer goes nowhere.
    response.end = () => response.destroy();
    return false;
  };
  await importOf(table).write(update('T1'));
  expect(lost).toBe(1);
  expect(await known(table, [update('T1')])).toBe(1);
});

test('reads that fail make nothing unchanged, and are counted', async () => {
  const { dynamo, table, failures } = await start({ patienceMs: 50 });
  await importOf(table).write(...many(3));
  dynamo.fault = (operation, response) =>
    operation === 'BatchGetItem' && refuse(response, 400, 'ThrottlingException');
  expect(await known(table, many(3))).toBe(0);
  expect(failures).toEqual([{ code: 'dynamodb_throttled', operation: 'ask', records: 3 }]);
});

test('what cannot be announced must not be written; what was is taken back', async () => {
  const { dynamo, table, failures } = await start({ patienceMs: 50, maxSockets: 1 });
  const one = importOf(table);
  await one.write(...many(3));
  let updates = 0;
  dynamo.fault = (operation, response) =>
    operation === 'UpdateItem' && ++updates === 2 && refuse(response, 400, 'AccessDeniedException');
  await expect(one.begin(...many(3))).rejects.toMatchObject({
    code: 'fingerprints_unavailable',
    message: expect.stringContaining('table "fingerprints"') as unknown,
  });
  expect(failures).toEqual([{ code: 'dynamodb_access_denied', operation: 'announce', records: 2 }]);
  dynamo.fault = () => false;
  await one.write(...many(3));
  expect(await known(table, many(3))).toBe(3);
});

test('a table that is away holds nobody up for longer than its patience and a call', async () => {
  const { dynamo, table } = await start({ patienceMs: 100, requestTimeoutMs: 200 });
  dynamo.fault = () => true;
  const startedMs = performance.now();
  await expect(importOf(table).begin(...many(500))).rejects.toMatchObject({
    code: 'fingerprints_unavailable',
  });
  expect(await known(table, many(500))).toBe(0);
  expect(performance.now() - startedMs).toBeLessThan(5000);
});

test('what cannot be remembered is forgotten', async () => {
  const { dynamo, table, failures } = await start({ patienceMs: 50 });
  const one = importOf(table);
  const end = await one.begin(update('T1'));
  dynamo.fault = (_operation, response) => refuse(response, 500, 'InternalServerError');
  await expect(end([update('T1')])).rejects.toMatchObject({ code: 'fingerprints_unavailable' });
  expect(failures).toEqual([{ code: 'dynamodb_unavailable', operation: 'settle', records: 1 }]);
  dynamo.fault = () => false;
  expect(await known(table, [update('T1')])).toBe(0);
});

test('a process that died while it wrote keeps others from remembering for a day', async () => {
  let nowMs = Date.now();
  const { dynamo, table } = await start({ now: () => nowMs });
  await importOf(table).begin(update('T1'));
  // It ends here.
  const { table: other } = open(dynamo, { now: () => nowMs });
  await importOf(other).write(update('T1'));
  expect(await known(other, [update('T1')])).toBe(0);
  nowMs += 25 * 3_600_000;
  await importOf(other).write(update('T1'));
  expect(await known(other, [update('T1')])).toBe(1);
  await importOf(other).write(update('T1', 'again'));
  expect(await known(other, [update('T1', 'again')])).toBe(1);
});

test('an item holds hashes alone, and the time when it may go', async () => {
  const { dynamo, table } = await start();
  await importOf(table).write(update('secret-id', 'secret-value'));
  const client = new DynamoDBClient(wayToClient(dynamo.url));
  const { Items = [] } = await client.send(new ScanCommand({ TableName: 'fingerprints' }));
  client.destroy();
  expect(Items).toHaveLength(1);
  expect(Object.keys(Items[0] ?? {}).toSorted()).toEqual(['expiresAt', 'key', 'last', 'value']);
  const days = (Number(Items[0]?.['expiresAt']?.N) - Date.now() / 1000) / 86_400;
  expect(Math.round(days)).toBe(90);
  expect(JSON.stringify(Items)).not.toContain('secret');
});

test('the check sees the table, its key and what the role may do, and changes nothing', async () => {
  const { dynamo, table } = await start();
  await expect(table.check()).resolves.toBeUndefined();
  expect(await known(table, [update('T1')])).toBe(0);

  const missing = open(dynamo, { table: 'elsewhere' }).table;
  await expect(missing.check()).rejects.toMatchObject({
    code: 'dynamodb_table_missing',
    kind: 'systemic',
    message: expect.stringContaining('table "elsewhere"') as unknown,
  });
  await dynamo.createTable('of-others', 'S');
  await expect(open(dynamo, { table: 'of-others' }).table.check()).rejects.toMatchObject({
    code: 'dynamodb_unusable_table',
    message: expect.stringContaining('"key" of type B') as unknown,
  });
  for (const denied of ['DescribeTable', 'BatchGetItem', 'UpdateItem']) {
    dynamo.fault = (operation, response) =>
      operation === denied &&
      refuse(
        response,
        400,
        'AccessDeniedException',
        `User: x is not authorized to perform: dynamodb:${denied} on resource: y`,
      );
    await expect(table.check()).rejects.toMatchObject({
      code: 'dynamodb_access_denied',
      missingPermission: `dynamodb:${denied}`,
    });
  }
});

function wayToClient(endpoint: string) {
  return {
    endpoint,
    region: 'us-east-1',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  };
}
