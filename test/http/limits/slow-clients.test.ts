import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import type { Route } from '../../../src/http/route.ts';
import { openRaw, trickle } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const post = 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

const lines: Route = echoRoute({
  path: '/lines',
  operationId: 'lines',
  streams: ['application/x-ndjson'],
  async handle({ request }) {
    let bytes = 0;
    for await (const chunk of request) bytes += (chunk as Buffer).length;
    return { status: 200, body: { bytes } };
  },
});

test('headers that come one byte at a time end in a 408', async () => {
  await using app = await startTestServer([echoRoute()], { limits: { headersTimeoutMs: 200 } });
  using slow = await openRaw(app.port);
  trickle(slow.socket, `${post}${'A: b\r\n'.repeat(1000)}`, 20);
  expect(await slow.closed).toMatch(/^HTTP\/1.1 408 [^]*headers_timeout/);
});

test('a JSON body that comes one byte at a time ends in a 408, and others are served meanwhile', async () => {
  await using app = await startTestServer([echoRoute()], { limits: { bodyTimeoutMs: 300 } });
  using slow = await openRaw(app.port);
  slow.socket.write(`${post}Content-Length: 5000\r\n\r\n`);
  trickle(slow.socket, ' '.repeat(5000), 20);
  const answer = await fetch(`${app.url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"name":"x"}',
  });
  expect(answer.status).toBe(200);
  expect(await slow.closed).toMatch(/^HTTP\/1.1 408 [^]*body_timeout/);
});

test('a streamed body may take longer than the limit as long as it flows', async () => {
  await using app = await startTestServer([lines], { limits: { bodyTimeoutMs: 200 } });
  using slow = await openRaw(app.port);
  slow.socket.write(
    'POST /lines HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nContent-Length: 20\r\n\r\n',
  );
  trickle(slow.socket, '\n'.repeat(20), 40);
  expect(await slow.closed).toMatch(/^HTTP\/1.1 200 [^]*{"bytes":20}/);
});

test('a streamed body that falls silent ends in a 408 and aborts its signal', async () => {
  let reason: unknown;
  const route: Route = {
    ...lines,
    handle(call) {
      call.signal.addEventListener('abort', () => {
        reason = call.signal.reason;
      });
      return lines.handle(call);
    },
  };
  await using app = await startTestServer([route], { limits: { bodyTimeoutMs: 200 } });
  using silent = await openRaw(app.port);
  silent.socket.write(
    'POST /lines HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nContent-Length: 20\r\n\r\n{}\n',
  );
  expect(await silent.closed).toMatch(/^HTTP\/1.1 408 [^]*body_timeout/);
  expect(reason).toMatchObject({ code: 'body_timeout' });
});

test('a handler that does not read for a while is not taken for a silent caller', async () => {
  const busy = Promise.withResolvers<void>();
  await using app = await startTestServer(
    [
      {
        ...lines,
        async handle(call) {
          await busy.promise;
          return lines.handle(call);
        },
      },
    ],
    { limits: { bodyTimeoutMs: 100 } },
  );
  const answer = fetch(`${app.url}/lines`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: Buffer.alloc(3_000_000, 10),
  });
  // Several times the limit pass while the service itself is what holds the body back.
  setTimeout(busy.resolve, 500);
  expect(await (await answer).json()).toEqual({ bytes: 3_000_000 });
});

test('a reader that does not take its answer is cut off', async () => {
  let aborted = false;
  const big: Route = echoRoute({
    method: 'get',
    path: '/big',
    operationId: 'big',
    async handle({ response, signal }) {
      signal.addEventListener('abort', () => {
        aborted = true;
      });
      await new Promise((resolve) => {
        Readable.from(
          (function* () {
            for (;;) yield Buffer.alloc(65_536, 97);
          })(),
        )
          .pipe(response)
          .once('close', resolve);
      });
      return undefined;
    },
  });
  const { body: _none, ...route } = big;
  await using app = await startTestServer([route], { limits: { bodyTimeoutMs: 100 } });
  using stuck = await openRaw(app.port);
  stuck.socket.pause();
  stuck.socket.write('GET /big HTTP/1.1\r\nHost: x\r\n\r\n');
  await expect.poll(() => aborted, { timeout: 13_000 }).toBe(true);
});

test('a connection that sends nothing is closed', async () => {
  await using app = await startTestServer([echoRoute()], { limits: { headersTimeoutMs: 200 } });
  using idle = await openRaw(app.port);
  expect(await idle.closed).toMatch(/^(HTTP\/1.1 408 |$)/);
});
