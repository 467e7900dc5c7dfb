import { expect, test } from 'vitest';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { ALL_ROLES, echoRoute, startTestServer } from '../support/test-server.ts';

test('readiness names every dependency, follows it, and comes back by itself', async () => {
  await using app = await startTestServer([]);
  const readyz = async () => {
    const answer = await fetch(`${app.url}/readyz`);
    return {
      status: answer.status,
      body: (await answer.json()) as { status: string; dependencies: object[] },
    };
  };
  const stream = app.health.dependency('stream');
  const metrics = app.health.dependency('cloudwatch', { required: false });
  expect(await readyz()).toMatchObject({ status: 503, body: { status: 'not_ready' } });

  stream.up('subscription s-1');
  metrics.down(new Error('no route'));
  const ready = await readyz();
  expect(ready).toMatchObject({ status: 200, body: { status: 'ready' } });
  expect(ready.body.dependencies).toMatchObject([
    {
      name: 'stream',
      state: 'up',
      required: true,
      note: 'subscription s-1',
      since: expect.stringMatching(/Z$/) as string,
    },
    { name: 'cloudwatch', state: 'down', required: false, lastError: { message: 'no route' } },
  ]);

  stream.down(Object.assign(new Error('gone'), { code: 'genesys_unreachable' }));
  expect(await readyz()).toMatchObject({
    status: 503,
    body: { dependencies: [{ state: 'down', lastError: { code: 'genesys_unreachable' } }, {}] },
  });
  stream.up();
  expect((await readyz()).status).toBe(200);

  app.server.beginDrain();
  expect(await readyz()).toMatchObject({ status: 503, body: { status: 'draining' } });
  expect((await fetch(`${app.url}/livez`)).status).toBe(200);
});

test('with authentication, anybody learns names and states, and only operators why', async () => {
  await using app = await startTestServer([], {
    about: { name: 'interaction-bridge', version: '1.2.3', commit: 'abc1234' },
    authentication: { schemes: ['apiKey'], authenticate: async () => ({ roles: ALL_ROLES }) },
  });
  app.health.dependency('stream').up('subscription s-1');
  app.health.dependency('queue').down(new Error('arn:aws:iam::123456789012:role/bridge may not'));
  const ask = async (path: string) => (await (await fetch(`${app.url}${path}`)).json()) as object;

  const since = expect.stringMatching(/Z$/) as string;
  expect(await ask('/readyz')).toEqual({
    status: 'not_ready',
    roles: ['api', 'reader', 'publisher'],
    dependencies: [
      { name: 'stream', state: 'up', required: true, since },
      { name: 'queue', state: 'down', required: true, since },
    ],
  });
  expect(await ask('/version')).toEqual({ name: 'interaction-bridge', version: '1.2.3' });
  expect(await ask('/status')).toMatchObject({
    dependencies: [
      { note: 'subscription s-1' },
      { lastError: { message: 'arn:aws:iam::123456789012:role/bridge may not' } },
    ],
  });
});

test('liveness says that the loop turns, whatever the dependencies do', async () => {
  await using app = await startTestServer([]);
  app.health.dependency('stream').down(new Error('x'));
  const answer = await fetch(`${app.url}/livez`);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('cache-control')).toBe('no-store');
  expect(await answer.json()).toMatchObject({ status: 'alive' });
});

test('version and status', async () => {
  await using app = await startTestServer([], {
    about: { name: 'interaction-bridge', version: '1.2.3', commit: 'abc1234' },
    status: () => ({ pipeline: { ingested: 7 } }),
  });
  expect(await (await fetch(`${app.url}/version`)).json()).toEqual({
    name: 'interaction-bridge',
    version: '1.2.3',
    commit: 'abc1234',
    node: process.versions.node,
  });
  expect(await (await fetch(`${app.url}/status`)).json()).toEqual({
    pipeline: { ingested: 7 },
    dependencies: [],
  });
});

test('metrics count requests by route, never by what callers make up', async () => {
  const registry = createMetricsRegistry();
  await using app = await startTestServer([echoRoute()], { registry, limits: { inFlight: 1 } });
  await fetch(`${app.url}/echo`, { method: 'POST' });
  await fetch(`${app.url}/made/up/path`);
  await fetch(`${app.url}/echo`, { method: 'REPORT' });
  const answer = await fetch(`${app.url}/metrics`);
  expect(answer.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  const text = await answer.text();
  for (const line of [
    'bridge_http_requests_total{route="/echo",method="POST",status="400"} 1',
    'bridge_http_requests_total{route="(none)",method="any",status="404"} 1',
    'bridge_http_requests_total{route="(none)",method="any",status="405"} 1',
    'bridge_http_in_flight 1',
    'bridge_build_info{version="0.0.0",commit="",node=',
    'bridge_process_memory_bytes{kind="rss"}',
    'bridge_process_cpu_seconds_total',
    'bridge_process_uptime_seconds',
    'bridge_event_loop_delay_seconds',
  ]) {
    expect(text).toContain(line);
  }
});

test('two servers in one process keep their numbers and states apart', async () => {
  await using one = await startTestServer([]);
  await using two = await startTestServer([]);
  one.health.dependency('stream');
  await fetch(`${one.url}/nothing`);
  expect((await fetch(`${one.url}/readyz`)).status).toBe(503);
  expect((await fetch(`${two.url}/readyz`)).status).toBe(200);
  expect(await (await fetch(`${two.url}/metrics`)).text()).not.toContain('status="404"');
});
