import { expect, test } from 'vitest';
import { openRaw } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

/** With one request in flight at most. */
const MOST = 1002;

test('beyond the bound the connection that was idle for longest goes, never a busy one', async () => {
  const { body: _none, ...rest } = echoRoute({ method: 'get', path: '/held', operationId: 'held' });
  const gate = Promise.withResolvers<void>();
  const held = {
    ...rest,
    async handle() {
      await gate.promise;
      return { status: 200, body: {} };
    },
  };
  await using app = await startTestServer([held], {
    limits: { inFlight: 1, headersTimeoutMs: 60_000 },
  });
  const open = async () => openRaw(app.port);
  using busy = await open();
  busy.socket.write('GET /held HTTP/1.1\r\nHost: x\r\n\r\n');
  const idle = [await open(), await open()];
  using served = await open();
  for (let left = MOST - 4; left > 0; left -= 1) idle.push(await open());
  // It was idle for longer than all others until it asked.
  served.socket.write('GET /livez HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => served.received).toContain('alive');

  expect((await fetch(`${app.url}/livez`, { headers: { connection: 'close' } })).status).toBe(200);
  await expect.poll(() => idle[0]?.socket.closed).toBe(true);
  expect(idle.filter(({ socket }) => socket.closed)).toHaveLength(1);
  expect([busy.socket.closed, served.socket.closed]).toEqual([false, false]);

  gate.resolve();
  await expect.poll(() => busy.received).toContain('200 OK');
  for (const { socket } of idle) socket.destroy();
});

test('the port of the probes answers them and nothing else', async () => {
  await using app = await startTestServer([echoRoute()], { probePort: 0 });
  const url = `http://127.0.0.1:${app.probePort}`;
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  expect((await fetch(`${url}/readyz`)).status).toBe(200);
  for (const path of ['/echo', '/metrics', '/status', '/docs', '/']) {
    expect((await fetch(url + path)).status, path).toBe(404);
  }
  expect((await fetch(`${app.url}/livez`)).status).toBe(200);
});

test('a port of the probes that is taken is named, and nothing stays open', async () => {
  await using other = await startTestServer([]);
  await expect(startTestServer([], { probePort: other.port })).rejects.toThrow(/PROBE_PORT/);
});
