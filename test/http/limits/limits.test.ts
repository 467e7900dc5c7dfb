import { Worker } from 'node:worker_threads';
import jwt from 'jsonwebtoken';
import { describe, expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../../src/http/auth/api-keys.ts';
import { createAuthentication } from '../../../src/http/auth/authentication.ts';
import type { Route } from '../../../src/http/route.ts';
import { createHitCounter } from '../../../src/lib/limits/hit-counter.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { sleep } from '../../../src/lib/retry.ts';
import { openRaw } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const FLOOD = `
  const { parentPort, workerData } = require('node:worker_threads');
  const body = JSON.stringify({ name: 'x'.repeat(100_000) });
  const headers = { 'content-type': 'application/json' };
  async function flood() {
    for (;;) {
      const answer = await fetch(workerData, { method: 'POST', headers, body });
      parentPort.postMessage(answer.status);
      await answer.arrayBuffer();
    }
  }
  for (let caller = 0; caller < 200; caller += 1) flood();
`;

/** A route that answers when it is told to. */
function gatedRoute(): { route: Route; open: () => void; waiting: () => number } {
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  const { body: _none, ...rest } = echoRoute({ method: 'get', path: '/gate', operationId: 'gate' });
  return {
    route: {
      ...rest,
      async handle() {
        waiting += 1;
        await gate.promise;
        return { status: 200, body: {} };
      },
    },
    open: gate.resolve,
    waiting: () => waiting,
  };
}

describe('requests in flight', () => {
  test('beyond the limit get a 503 with Retry-After while the probes go on', async () => {
    const { route, open, waiting } = gatedRoute();
    await using app = await startTestServer([route], { limits: { inFlight: 3 } });
    const admitted = [1, 2, 3].map(() => fetch(`${app.url}/gate`));
    await expect.poll(waiting).toBe(3);

    const refused = await fetch(`${app.url}/gate`);
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toMatchObject({ code: 'overloaded' });
    expect((await fetch(`${app.url}/livez`)).status).toBe(200);
    expect((await fetch(`${app.url}/readyz`)).status).toBe(200);

    open();
    const answers = await Promise.all(admitted);
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await fetch(`${app.url}/gate`)).status).toBe(200);

    // A number now and then instead of a line for each.
    const lines = app.lines.filter((line) => line['status'] !== 200);
    expect(lines).toMatchObject([{ level: 'warn', msg: 'Overloaded', reason: 'in_flight' }]);
  });

  test('are not counted when their callers left before their turn', async () => {
    const { body: _none, ...rest } = echoRoute({ method: 'get', path: '/x', operationId: 'x' });
    let handled = 0;
    const busy: Route = {
      ...rest,
      async handle() {
        handled += 1;
        // All have come when the first is over; all leave while the second holds the loop.
        if (handled === 2) for (const { socket } of callers) socket.resetAndDestroy();
        const untilMs = performance.now() + (handled > 2 ? 0 : 100);
        while (performance.now() < untilMs);
        return { status: 200, body: {} };
      },
    };
    await using app = await startTestServer([busy], { limits: { inFlight: 5 } });
    const callers = await Promise.all(Array.from({ length: 20 }, () => openRaw(app.port)));
    const send = (path: string) => {
      for (const { socket } of callers) socket.write(`GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
    };
    // The server has accepted all connections before it gets busy.
    send('/livez');
    await expect.poll(() => callers.every(({ received }) => received !== '')).toBe(true);
    send('/x');
    await expect.poll(() => callers.every(({ socket }) => socket.closed)).toBe(true);

    await expect.poll(async () => (await fetch(`${app.url}/x`)).status).toBe(200);
  });

  test('200 floods at once leave the probes responsive', async () => {
    const slow = echoRoute({
      async handle() {
        await sleep(50);
        return { status: 200, body: {} };
      },
    });
    await using app = await startTestServer([slow], {
      limits: { inFlight: 50, bodyBytes: 200_000 },
    });
    // In a thread of its own, so that only the server is measured.
    const flood = new Worker(FLOOD, { eval: true, workerData: `${app.url}/echo` });
    onTestFinished(async () => void (await flood.terminate()));
    const statuses = new Set<number>();
    flood.on('message', (status: number) => statuses.add(status));
    await expect.poll(() => statuses.has(200) && statuses.has(503), { timeout: 10_000 }).toBe(true);

    const tookMs: number[] = [];
    for (let probe = 0; probe < 20; probe += 1) {
      const startedMs = performance.now();
      expect((await fetch(`${app.url}/livez`)).status).toBe(200);
      tookMs.push(performance.now() - startedMs);
    }
    await flood.terminate();
    expect(new Set([...statuses, 200, 503])).toEqual(new Set([200, 503]));
    // Generous, for machines that do other things as well; 10 ms is usual.
    expect(tookMs.sort((a, b) => a - b)[10]).toBeLessThan(1000);
  });

  test('are turned away while the event loop is late', async () => {
    const { body: _none, ...idle } = echoRoute({ method: 'get', path: '/x', operationId: 'x' });
    await using app = await startTestServer([idle], { limits: { loopDelayMs: 100 } });
    const block = setInterval(() => {
      const untilMs = performance.now() + 300;
      while (performance.now() < untilMs);
    }, 1);
    try {
      await expect
        .poll(async () => (await fetch(`${app.url}/x`)).status, { timeout: 10_000 })
        .toBe(503);
      expect((await fetch(`${app.url}/livez`)).status).toBe(200);
    } finally {
      clearInterval(block);
    }
    await expect
      .poll(async () => (await fetch(`${app.url}/x`)).status, { timeout: 10_000 })
      .toBe(200);
  });
});

describe('bodies held at once', () => {
  test('beyond the limit get a 503, and there is room again afterwards', async () => {
    await using app = await startTestServer([echoRoute()], {
      limits: { bodyBytes: 1000, heldBodyBytes: 1500, bodyTimeoutMs: 5000 },
    });
    const post = () =>
      fetch(`${app.url}/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ name: 'x'.repeat(700) }),
      });
    {
      using slow = await openRaw(app.port);
      slow.socket.write(
        `POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n${' '.repeat(999)}`,
      );
      await expect.poll(async () => (await post()).status).toBe(503);
    }
    await expect.poll(async () => (await post()).status).toBe(200);
  });

  test.each([
    ['as bytes', { name: 'x'.repeat(900) }, { bodyBytes: 1000, heldBodyBytes: 1500 }],
    // 5 kB of text would be 100 kB in memory.
    [
      'as values',
      { name: 'x', any: Array.from({ length: 1500 }, () => ({})) },
      { bodyBytes: 5000, heldBodyBytes: 150_000 },
    ],
    ['alone, also beyond the limit', { name: 'x'.repeat(900) }, { heldBodyBytes: 100 }],
  ])('count for as long as their requests are worked on: %s', async (_how, content, limits) => {
    const gate = Promise.withResolvers<void>();
    let working = 0;
    const slow = echoRoute({
      async handle() {
        working += 1;
        await gate.promise;
        return { status: 200, body: {} };
      },
    });
    await using app = await startTestServer([slow], { limits });
    const post = () =>
      fetch(`${app.url}/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(content),
      });
    const first = post();
    await expect.poll(() => working).toBe(1);

    const refused = await post();
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await refused.json()).toMatchObject({ code: 'overloaded' });
    gate.resolve();
    expect((await first).status).toBe(200);
    await expect.poll(async () => (await post()).status).toBe(200);
  });
});

describe('requests per minute', () => {
  test('beyond the limit of a caller get a 429 that says when to come back', async () => {
    await using app = await startTestServer([echoRoute()], {
      limits: { perMinute: 2 },
      authentication: {
        schemes: ['apiKey'],
        authenticate: async (request) => ({
          name: String(request.headers['x-who']),
          roles: new Set(['map']),
        }),
      },
    });
    const post = (who: string) =>
      fetch(`${app.url}/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'x-who': who },
        body: '{"name":"x"}',
      });
    const first = await post('a');
    expect([first.status, first.headers.get('ratelimit-remaining')]).toEqual([200, '1']);
    expect((await post('a')).status).toBe(200);
    const refused = await post('a');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    // Another caller from the same address has a budget of its own, and probes have none.
    expect((await post('b')).status).toBe(200);
    expect((await fetch(`${app.url}/livez`)).status).toBe(200);
  });

  test('are used up by who lacks the role, too', async () => {
    await using app = await startTestServer([echoRoute()], {
      limits: { perMinute: 2 },
      authentication: {
        schemes: ['apiKey'],
        authenticate: async () => ({ name: 'analyst', roles: new Set(['report']) }),
      },
    });
    const codes: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      const answer = await fetch(`${app.url}/echo`, { method: 'POST' });
      codes.push(((await answer.json()) as { code: string }).code);
    }
    expect(codes).toEqual(['role_missing', 'role_missing', 'rate_limited', 'rate_limited']);
  });

  test('are not shared by a key, a token and an address of one name', async () => {
    const secret = 'a shared secret of more than 32 bytes';
    const registry = createMetricsRegistry();
    const digest = digestOf('ib_key').toString('hex');
    await using app = await startTestServer([echoRoute()], {
      limits: { perMinute: 1 },
      registry,
      authentication: createAuthentication({
        mode: 'api-key,jwt',
        apiKeys: `crm:map:${digest},127.0.0.1:map:${digestOf('ib_other').toString('hex')}`,
        jwt: {
          issuer: 'here',
          audience: 'bridge',
          algorithms: ['HS256'],
          rolesClaim: 'roles',
          key: { secret },
        },
        log: createLogger({ level: 'silent' }),
        registry,
      }),
    });
    const tokenOf = (subject: string) =>
      jwt.sign({ roles: 'map' }, secret, {
        issuer: 'here',
        audience: 'bridge',
        subject,
        expiresIn: 60,
      });
    const callers: Record<string, string>[] = [
      { 'x-api-key': 'ib_key' },
      { 'x-api-key': 'ib_other' },
      ...['crm', '127.0.0.1', 'apiKey:crm', 'address:127.0.0.1'].map((subject) => ({
        authorization: `Bearer ${tokenOf(subject)}`,
      })),
    ];
    const statuses = async () => {
      const found: number[] = [];
      for (const headers of callers) {
        const answer = await fetch(`${app.url}/echo`, {
          method: 'POST',
          headers: { ...headers, 'content-type': 'application/json' },
          body: '{"name":"x"}',
        });
        found.push(answer.status);
      }
      found.push((await fetch(`${app.url}/nothing`)).status);
      return found;
    };
    expect(await statuses()).toEqual([...callers.map(() => 200), 404]);
    expect(await statuses()).toEqual([...callers.map(() => 429), 429]);
  });

  test('count unknown paths too, by address', async () => {
    await using app = await startTestServer([], { limits: { perMinute: 1 } });
    expect((await fetch(`${app.url}/a`)).status).toBe(404);
    expect((await fetch(`${app.url}/b`)).status).toBe(429);
  });

  test('are counted anew when the minute is over', () => {
    let nowMs = 0;
    const counter = createHitCounter(() => nowMs);
    expect(counter.hit('a').hits).toBe(1);
    nowMs = 59_999;
    expect(counter.hit('a').hits).toBe(2);
    nowMs = 60_000;
    expect(counter.hit('a')).toEqual({ hits: 1, endsMs: 120_000 });
  });
});

test('the address of a caller comes from a proxy only when that is configured', async () => {
  const addresses: (string | undefined)[] = [];
  const authentication = {
    schemes: [],
    authenticate: async (_request: unknown, address: string | undefined) => {
      addresses.push(address);
      return { roles: new Set(['map'] as const) };
    },
  };
  for (const trustProxy of ['false', '1', 'loopback']) {
    await using app = await startTestServer([echoRoute()], { trustProxy, authentication });
    await fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: { 'x-forwarded-for': '203.0.113.7' },
    });
  }
  expect(addresses).toEqual(['127.0.0.1', '203.0.113.7', '203.0.113.7']);
  await expect(startTestServer([], { trustProxy: 'nonsense' })).rejects.toThrow(/TRUST_PROXY/);
});
