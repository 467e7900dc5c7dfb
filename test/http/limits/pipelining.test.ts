import { expect, test } from 'vitest';
import type { Route } from '../../../src/http/route.ts';
import { openRaw } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const get = (path: string) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;

/** A route whose answers wait until they are let go. */
function heldRoute() {
  const { body: _none, ...rest } = echoRoute({ method: 'get', path: '/held', operationId: 'held' });
  const gate = Promise.withResolvers<void>();
  const seen = { handled: 0, aborted: 0 };
  const route: Route = {
    ...rest,
    async handle({ signal }) {
      seen.handled += 1;
      signal.addEventListener('abort', () => {
        seen.aborted += 1;
      });
      await gate.promise;
      return { status: 200, body: { held: true } };
    },
  };
  return { route, seen, letGo: gate.resolve };
}

test('a connection on which too many requests wait is closed, and none of them goes on', async () => {
  const { route, seen } = heldRoute();
  await using app = await startTestServer([route]);
  using many = await openRaw(app.port);
  many.socket.write(get('/held').repeat(300));

  expect(await many.closed).toBe('');
  await expect.poll(() => seen.aborted).toBe(seen.handled);
  expect(seen.handled).toBeLessThanOrEqual(10);
  const metrics = await (await fetch(`${app.url}/metrics`)).text();
  expect(metrics).toMatch(/turned_away_total{reason="pipelined"} 1\n/);
  expect(metrics).toMatch(/^bridge_http_in_flight 1$/m);
});

test('as many as are allowed are answered in their order', async () => {
  const { route, letGo } = heldRoute();
  await using app = await startTestServer([route]);
  using some = await openRaw(app.port);
  some.socket.write(get('/held').repeat(9) + get('/livez'));
  letGo();
  await expect.poll(() => some.received.split('HTTP/1.1 200').length).toBe(11);
  expect(some.received.trimEnd().endsWith('}')).toBe(true);
  expect(some.received.lastIndexOf('alive')).toBeGreaterThan(some.received.lastIndexOf('held'));
});

test('what is no HTTP after requests is answered after them, never in the place of an answer', async () => {
  const { route, letGo } = heldRoute();
  await using app = await startTestServer([route]);
  using broken = await openRaw(app.port);
  broken.socket.write(`${get('/held')}${get('/held')}no http\r\n\r\n`);
  await expect.poll(() => app.lines.some(({ code }) => code === 'HPE_INVALID_METHOD')).toBe(true);
  expect(broken.received).toBe('');
  letGo();
  const answers = (await broken.closed).match(/HTTP\/1\.1 \d+/g);
  expect(answers).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 400']);
});

test('a body that breaks in the middle, behind another request, has its own answer', async () => {
  const { route, letGo } = heldRoute();
  await using app = await startTestServer([route, echoRoute()]);
  using broken = await openRaw(app.port);
  broken.socket.write(
    `${get('/held')}POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n`,
  );
  letGo();
  const answers = (await broken.closed).match(/HTTP\/1\.1 \d+/g);
  expect(answers).toEqual(['HTTP/1.1 200', 'HTTP/1.1 400']);
});

test('more requests than may be at once are refused before they wait', async () => {
  const { route, seen, letGo } = heldRoute();
  await using app = await startTestServer([route], { limits: { inFlight: 10 } });
  let refused = 0;
  const all = Promise.all(
    Array.from({ length: 20 }, async () => {
      const { status } = await fetch(`${app.url}/held`);
      if (status === 503) refused += 1;
      return status;
    }),
  );
  await expect.poll(() => [seen.handled, refused]).toEqual([10, 10]);
  letGo();
  expect((await all).filter((status) => status === 200)).toHaveLength(10);
});
