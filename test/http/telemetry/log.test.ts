import { expect, onTestFinished, test, vi } from 'vitest';
import { Problem } from '../../../src/http/problem.ts';
import type { Call, Route } from '../../../src/http/route.ts';
import { createRefusals } from '../../../src/http/telemetry/refusals.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const json = { 'content-type': 'application/json' };
const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

test('each request has one line with its ids, and the use case logs under the same ones', async () => {
  let call: Call | undefined;
  const route: Route = echoRoute({
    async handle(given) {
      call = given;
      given.log.info('At work');
      return { status: 200, body: {} };
    },
  });
  await using app = await startTestServer([route], {
    authentication: {
      schemes: ['apiKey'],
      authenticate: async () => ({ name: 'crm', roles: new Set(['map']) }),
    },
  });
  const answer = await fetch(`${app.url}/echo?days=3`, {
    method: 'POST',
    headers: {
      ...json,
      'x-request-id': 'order-42',
      traceparent: `00-${TRACE}-00f067aa0ba902b7-01`,
      authorization: 'Bearer secret-token',
      'x-api-key': 'secret-key',
    },
    body: '{"name":"secret-payload"}',
  });
  expect(answer.headers.get('x-request-id')).toBe('order-42');
  expect(call).toMatchObject({ requestId: 'order-42', roles: new Set(['map']) });
  expect(call?.traceparent).toMatch(new RegExp(`^00-${TRACE}-`));

  await expect.poll(() => app.lines.length).toBe(2);
  expect(app.lines[0]).toMatchObject({ msg: 'At work', requestId: 'order-42', traceId: TRACE });
  expect(app.lines[1]).toMatchObject({
    level: 'info',
    msg: 'POST /echo 200',
    requestId: 'order-42',
    traceId: TRACE,
    method: 'POST',
    path: '/echo',
    status: 200,
    caller: 'crm',
    complete: true,
  });
  expect(JSON.stringify(app.lines)).not.toMatch(/secret|days/);
});

test.each(['', 'a b', 'x'.repeat(129), 'evil\u0001', '<script>'])(
  'a request id that makes no sense (%j) is replaced',
  async (id) => {
    await using app = await startTestServer([]);
    const headers = id.includes('\u0001') ? {} : { 'x-request-id': id };
    const answer = await fetch(`${app.url}/livez`, { headers });
    expect(answer.headers.get('x-request-id')).toMatch(/^[0-9a-f-]{36}$/);
  },
);

test('probes are left out while they go well', async () => {
  await using app = await startTestServer([]);
  app.health.dependency('stream');
  expect((await fetch(`${app.url}/livez`)).status).toBe(200);
  expect((await fetch(`${app.url}/version`)).status).toBe(200);
  expect((await fetch(`${app.url}/nothing`)).status).toBe(404);
  await expect.poll(() => app.lines).toEqual([expect.objectContaining({ status: 404 })]);
});

test('callers that are refused before they are known are summed up, and known ones are not', async () => {
  const app = await startTestServer([echoRoute()], {
    authentication: {
      schemes: ['apiKey'],
      async authenticate({ headers }) {
        if (headers['x-api-key'] === undefined) throw new Problem(401, 'unauthorized', 'Who?');
        if (headers['x-api-key'] === 'new') throw new Problem(503, 'issuer_unavailable', 'Wait.');
        return { name: 'crm', roles: new Set() };
      },
    },
  });
  const send = (path: string, headers: Record<string, string> = {}) =>
    fetch(app.url + path, { method: 'POST', headers }).then((answer) => answer.status);
  const sent: Record<string, number> = {};
  for (const [path, headers] of [
    ['/echo', {}],
    ['/nothing?a=secret', {}],
    ['/echo', { 'sec-fetch-site': 'cross-site' }],
    ['/livez', {}],
    ['/echo', { 'x-api-key': 'new' }],
  ] as const) {
    const statuses = await Promise.all(Array.from({ length: 30 }, () => send(path, headers)));
    for (const status of statuses) sent[status] = (sent[status] ?? 0) + 1;
  }
  expect(sent).toEqual({ 401: 30, 404: 30, 403: 30, 405: 30, 503: 30 });
  for (let i = 0; i < 3; i += 1) expect(await send('/echo', { 'x-api-key': 'old' })).toBe(403);
  await app.server.stop(0);

  const summed = app.lines.filter(({ msg }) => msg === 'Refused callers that are not known');
  const told: Record<string, number> = {};
  for (const { status, requests } of summed) {
    told[String(status)] = (told[String(status)] ?? 0) + Number(requests);
  }
  expect(told).toEqual(sent);
  // The first at once, the rest at the end; and now and then, where this takes long.
  expect(summed.length).toBeLessThan(30);
  expect(summed).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        level: 'info',
        status: 401,
        code: 'unauthorized',
        remoteAddress: '127.0.0.1',
      }),
      expect.objectContaining({ level: 'warn', status: 503, code: 'issuer_unavailable' }),
    ]),
  );
  const others = app.lines.filter((line) => !summed.includes(line));
  expect(others.map(({ msg, caller }) => [msg, caller])).toEqual(
    Array.from({ length: 3 }, () => ['POST /echo 403', 'crm']),
  );
  expect(JSON.stringify(app.lines)).not.toMatch(/secret|nothing/);
});

test('what is refused goes on being told while it goes on, and no more afterwards', () => {
  vi.useFakeTimers();
  onTestFinished(() => void vi.useRealTimers());
  const counts: number[] = [];
  const write = (line: string) =>
    void counts.push((JSON.parse(line) as { requests: number }).requests);
  const refusals = createRefusals(createLogger({ level: 'info', destination: { write } }));
  for (let second = 0; second < 12; second += 1) {
    for (let i = 0; i < 100; i += 1) refusals.count(new Problem(404, 'not_found', ''), '::1');
    vi.advanceTimersByTime(1000);
  }
  vi.advanceTimersByTime(60_000);
  expect(counts).toEqual([1, 499, 500, 200]);
  expect(vi.getTimerCount()).toBe(0);
  refusals.count(new Problem(404, 'not_found', ''), '::1');
  refusals.stop();
  expect(counts).toEqual([1, 499, 500, 200, 1]);
});

test('a change of the log level holds for requests too', async () => {
  const lines: string[] = [];
  const log = createLogger({
    level: 'silent',
    destination: { write: (line) => void lines.push(line) },
  });
  await using app = await startTestServer([echoRoute()], {
    log,
    logLevel: {
      get: () => log.level,
      set: (level) => {
        log.level = level;
      },
    },
  });
  const post = (path: string, body: string) =>
    fetch(`${app.url}${path}`, { method: 'POST', headers: json, body });
  await post('/echo', '{"name":"x"}');
  expect(lines).toEqual([]);

  const answer = await post('/log-level', '{"level":"info"}');
  expect(await answer.json()).toEqual({ level: 'info', before: 'silent' });
  expect((await post('/log-level', '{"level":"loud"}')).status).toBe(400);
  await post('/echo', '{"name":"x"}');
  await expect.poll(() => lines.filter((line) => line.includes('POST /echo 200')).length).toBe(1);
});

test('a request whose stream was destroyed is logged like any other', async () => {
  const stopsReading = echoRoute({
    streams: ['application/x-ndjson'],
    async handle({ request }) {
      // Leaving the loop destroys the request, and Node takes its connection away.
      for await (const chunk of request) if (chunk !== undefined) break;
      return { status: 200, body: { query: {} } };
    },
  });
  await using app = await startTestServer([stopsReading]);
  await fetch(`${app.url}/echo`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: '\n',
  });
  const ends = () => app.lines.filter(({ path }) => path === '/echo');
  await expect.poll(ends).toMatchObject([{ status: 200, remoteAddress: '127.0.0.1' }]);
});
