// What each role needs, and what it does not.
import { isDeepStrictEqual } from 'node:util';
import { afterEach, expect, test } from 'vitest';
import { type Sandbox, startSandbox } from '../src/sandbox/sandbox.ts';
import { stringsOf, template } from './deploy/support/kit.ts';
import { createQueue } from './events/buffer/support/buffer-worker-on.ts';
import { startApp, startAppWithSandbox, type TestApp, until } from './support/app.ts';

type Counts = ReturnType<Sandbox['requests']['counts']>;

const running: { stop(): Promise<void> }[] = [];
afterEach(async () => {
  for (const one of running.splice(0)) await one.stop();
});

interface Readiness {
  readonly status: number;
  readonly body: {
    readonly roles: readonly string[];
    readonly dependencies: readonly { name: string; state: string; required: boolean }[];
  };
}
async function readiness(app: TestApp, role?: string): Promise<Readiness> {
  const answer = await app.get(role === undefined ? '/readyz' : `/readyz?role=${role}`);
  return { status: answer.status, body: (await answer.json()) as Readiness['body'] };
}
const downIn = ({ body }: Readiness) =>
  body.dependencies.filter(({ state }) => state === 'down').map(({ name }) => name);
const isReady = (app: TestApp, role?: string) => async () =>
  (await readiness(app, role)).status === 200;
/** Actions that the template grants to the role of this name. */
const grantedTo = (name: string) =>
  stringsOf(template.Resources[`${name}Role`]?.Properties['Policies'], 'Action');
/** Actions that the calls since `before` needed. */
function actionsSince(before: Counts, { requests }: Sandbox): string[] {
  return Object.entries(requests.counts())
    .filter(([name, counts]) => name.startsWith('aws.') && !isDeepStrictEqual(counts, before[name]))
    .map(([name]) =>
      name
        .slice('aws.'.length)
        .replace('.', ':')
        .replace(/Batch$/, ''),
    );
}
const map = (app: TestApp) =>
  app.post('/map', { orgId: 'acme-emea-support', records: [{ ticketId: 'T1', priority: 'high' }] });

test('callers are served while EventBridge, SQS and the stream are away, and operators see it', async () => {
  const sandbox = await startSandbox();
  running.push(sandbox);
  sandbox.faults.add({ target: 'aws', status: 503 });
  sandbox.faults.add({ target: 'genesys.stream', status: 503 });
  const app = await startApp(sandbox.environment);
  running.unshift(app);

  await until(isReady(app, 'api'), 'ready for callers');
  expect((await map(app)).status).toBe(200);
  await until(async () => downIn(await readiness(app)).length === 3, 'what is away');
  const all = await readiness(app);
  expect(all.status).toBe(503);
  expect(downIn(all).sort()).toEqual(['bus', 'queue', 'stream']);
  expect(downIn(await readiness(app, 'api')).sort()).toEqual(['bus', 'queue', 'stream']);
  for (const role of ['reader', 'publisher']) expect((await readiness(app, role)).status).toBe(503);
  const metrics = await (await app.get('/metrics')).text();
  expect(metrics).toContain('bridge_ready{role="api"} 1');
  expect(metrics).toContain('bridge_ready{role="publisher"} 0');

  sandbox.faults.clear();
  await until(isReady(app), 'ready altogether');
});

test('without a permission in Genesys nobody calls this process, and events go on', async () => {
  const app = await startAppWithSandbox({ deniedPermissions: ['customattributes:write'] });
  running.push(app);
  await until(isReady(app, 'reader'), 'reading');
  await until(isReady(app, 'publisher'), 'publishing');
  expect((await readiness(app, 'api')).status).toBe(503);
});

test('a role that this process has not is never ready, and an unknown one is refused', async () => {
  const app = await startAppWithSandbox({}, { ROLES: 'api' });
  running.push(app);
  await until(isReady(app, 'api'), 'api');
  expect((await readiness(app)).body.roles).toEqual(['api']);
  expect((await readiness(app, 'publisher')).status).toBe(503);
  expect((await app.get('/readyz?role=everything')).status).toBe(400);
});

test('only Genesys is asked by an api process without queues, and dead letters are served with one', async () => {
  const sandbox = await startSandbox();
  running.push(sandbox);
  const { DLQ_QUEUE_URL: _queue, ...settings } = sandbox.environment;
  const app = await startApp({ ...settings, WORKER_ENABLED: 'false' });
  running.unshift(app);
  await app.ready();
  expect((await map(app)).status).toBe(200);
  const asked = Object.keys(sandbox.requests.counts());
  expect(asked.filter((name) => name.startsWith('aws.'))).toEqual([]);
  expect((await app.get('/dead-letters')).status).toBe(404);

  const other = await startApp({ ...sandbox.environment, ROLES: 'api' });
  running.unshift(other);
  expect((await other.get('/dead-letters')).status).toBe(200);
});

test('a publisher has no credentials for Genesys, a reader asks nothing of EventBridge', async () => {
  const sandbox = await startSandbox({ traffic: 50 });
  running.push(sandbox);
  const BUFFER_QUEUE_URL = await createQueue(sandbox, 'buffer.fifo');
  const atFirst = sandbox.requests.counts();
  const settings = { ...sandbox.environment, BUFFER_QUEUE_URL };
  const reader = await startApp({ ...settings, ROLES: 'reader', READER_NAME: 'one' });
  running.unshift(reader);
  await reader.ready();
  await until(
    async () =>
      (await reader.get('/metrics')).text().then((text) => /buffered_total [1-9]/.test(text)),
    'events in the buffer',
  );
  const asked = actionsSince(atFirst, sandbox);
  expect(asked).toContain('sqs:SendMessage');
  for (const action of asked) expect(grantedTo('Reader')).toContain(action);
  expect((await readiness(reader)).body.dependencies.map(({ name }) => name)).not.toContain('bus');

  running.shift();
  await reader.stop();
  const before = sandbox.requests.counts();
  const withoutGenesys = Object.fromEntries(
    Object.entries(settings).filter(([name]) => !/^(?:OAUTH|GENESYS)_/.test(name)),
  );
  const publisher = await startApp({ ...withoutGenesys, ROLES: 'publisher' });
  running.unshift(publisher);
  await publisher.ready();
  await until(() => sandbox.cloud.busEventCount() > 0, 'published events');
  const actions = actionsSince(before, sandbox);
  expect(actions).toEqual(expect.arrayContaining(['events:PutEvents', 'sqs:ReceiveMessage']));
  for (const action of actions) expect(grantedTo('Publisher')).toContain(action);
  expect((await map(publisher)).status).toBe(404);
  expect((await publisher.get('/dead-letters')).status).toBe(404);
});
