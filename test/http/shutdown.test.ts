import { Agent, request } from 'undici';
import { expect, onTestFinished, test } from 'vitest';
import type { Route } from '../../src/http/route.ts';
import { openRaw } from './support/raw-http.ts';
import { echoRoute, startTestServer } from './support/test-server.ts';

function get(path: string, handle: Route['handle']): Route {
  const { body: _none, ...route } = echoRoute({ method: 'get', path, operationId: path.slice(1) });
  return { ...route, handle };
}

test('what is in flight is finished, connections close, and nobody new gets in', async () => {
  const begun = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const app = await startTestServer([
    get('/slow', async () => {
      begun.resolve();
      await finish.promise;
      return { status: 200, body: { done: true } };
    }),
  ]);
  const agent = new Agent();
  onTestFinished(() => agent.destroy());
  // Leaves an idle connection behind.
  await (await request(`${app.url}/livez`, { dispatcher: agent })).body.dump();
  const slow = request(`${app.url}/slow`, { dispatcher: agent });
  await begun.promise;

  const stopped = app.server.stop(10_000);
  await expect
    .poll(async () =>
      fetch(`${app.url}/livez`).then(
        () => 'in',
        () => 'out',
      ),
    )
    .toBe('out');
  finish.resolve();
  const answer = await slow;
  expect(answer.statusCode).toBe(200);
  expect(await answer.body.json()).toEqual({ done: true });
  await stopped;
});

test('while draining, answers close their connection', async () => {
  await using app = await startTestServer([]);
  const before = await request(`${app.url}/livez`);
  await before.body.dump();
  expect(before.headers['connection']).toBe('keep-alive');
  app.server.beginDrain();
  const after = await request(`${app.url}/livez`);
  await after.body.dump();
  expect(after.headers['connection']).toBe('close');
});

test('at the deadline the signal aborts, and a handler that heeds it still answers', async () => {
  const begun = Promise.withResolvers<void>();
  const app = await startTestServer([
    get('/heeds', async ({ signal }) => {
      begun.resolve();
      await new Promise((_resolve, reject) => {
        signal.addEventListener('abort', () => reject(signal.reason as Error));
      });
      return undefined;
    }),
  ]);
  const answer = fetch(`${app.url}/heeds`);
  await begun.promise;
  await app.server.stop(50);
  const { status, headers } = await answer;
  expect([status, headers.get('retry-after')]).toEqual([503, '5']);
  expect(await (await answer).json()).toMatchObject({ code: 'shutting_down' });
});

test('a handler that heeds nothing, and a connection that sends nothing, are cut', async () => {
  const begun = Promise.withResolvers<void>();
  const app = await startTestServer(
    [
      get('/deaf', async () => {
        begun.resolve();
        await new Promise(() => undefined);
        return undefined;
      }),
    ],
    { limits: { headersTimeoutMs: 60_000 } },
  );
  using silent = await openRaw(app.port);
  const answer = fetch(`${app.url}/deaf`).then(
    () => 'answered',
    () => 'cut',
  );
  await begun.promise;
  await app.server.stop(50);
  expect(await answer).toBe('cut');
  await silent.closed;
});

test('a silent connection alone does not hold the stop up to its deadline', async () => {
  const app = await startTestServer([], { limits: { headersTimeoutMs: 60_000 } });
  using silent = await openRaw(app.port);
  await app.server.stop(60_000);
  await silent.closed;
});

test('a caller that leaves aborts the signal of its request', async () => {
  const begun = Promise.withResolvers<void>();
  const reason = Promise.withResolvers<unknown>();
  await using app = await startTestServer([
    get('/wait', async ({ signal }) => {
      signal.addEventListener('abort', () => reason.resolve(signal.reason));
      begun.resolve();
      await reason.promise;
      return { status: 200, body: {} };
    }),
  ]);
  using caller = await openRaw(app.port);
  caller.socket.write('GET /wait HTTP/1.1\r\nHost: x\r\n\r\n');
  await begun.promise;
  caller.socket.destroy();
  expect(await reason.promise).toMatchObject({ code: 'client_closed_request', status: 499 });
});

test('stopping twice, or before the start was through, is harmless', async () => {
  const app = await startTestServer([]);
  await Promise.all([app.server.stop(100), app.server.stop(100)]);
  await app.server.stop(100);
});

test('a port that is taken is an error at start', async () => {
  await using app = await startTestServer([]);
  await expect(startTestServer([], { port: app.port })).rejects.toThrow(
    /^PORT: found \d+, which another process listens on/,
  );
});
