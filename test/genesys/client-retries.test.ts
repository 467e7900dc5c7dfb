import { describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../src/errors.ts';
import { anyCall, failureOf, genesysClient, RETRY, tokenCache } from './client-under-test.ts';
import { type Answer, inTurn, json, ok, startFakeGenesys, status } from './fake-genesys.ts';

const write = { method: 'POST', body: { a: 1 }, scope: 'customattributes:write' } as const;

describe('401', () => {
  it('gets one new token and replays once', async () => {
    const genesys = await startFakeGenesys(inTurn(status(401), ok));
    const { client } = genesysClient(genesys.baseUrl);

    const answer = await client.call(anyCall(write));

    expect(answer).toMatchObject({ value: { fine: true }, tries: 1, throttled: 0 });
    expect(genesys.calls.map(({ headers }) => headers.authorization)).toEqual([
      'Bearer token-1',
      'Bearer token-2',
    ]);
    expect(genesys.calls[1]?.body).toBe('{"a":1}');
  });

  it('that stays is an error that says what to check', async () => {
    const genesys = await startFakeGenesys(status(401, {}, { code: 'bad.credentials' }));
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({
      code: 'genesys_credentials_refused',
      kind: 'systemic',
      status: 401,
    });
    expect(error.message).toContain('GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET');
    expect(error.message).toContain('bad.credentials');
    expect(genesys.calls).toHaveLength(2);
    expect(genesys.tokenCalls).toHaveLength(2);
  });

  it('to a hundred calls at once renews the token once', async () => {
    const genesys = await startFakeGenesys((seen, response) =>
      seen.headers.authorization === 'Bearer token-1'
        ? json(response, 401, {})
        : json(response, 200, {}),
    );
    const { client } = genesysClient(genesys.baseUrl);

    const answers = await Promise.all(Array.from({ length: 100 }, () => client.call(anyCall())));

    expect(answers.every((answer) => answer.status === 200)).toBe(true);
    expect(genesys.tokenCalls).toHaveLength(2);
  });

  it('does not repeat what the token endpoint has repeated already', async () => {
    const genesys = await startFakeGenesys(ok, status(503));
    const { client } = genesysClient(genesys.baseUrl);

    expect(await failureOf(client.call(anyCall()))).toMatchObject({ code: 'genesys_unavailable' });
    expect(genesys.tokenCalls).toHaveLength(RETRY.maxTries);
    expect(genesys.calls).toHaveLength(0);
  });

  it('nor when that happens between two tries of the call', async () => {
    const genesys = await startFakeGenesys(status(503));
    const refused = new Error('No token');
    let asked = 0;
    const { client } = genesysClient(genesys.baseUrl, {
      tokens: {
        ...tokenCache(genesys.baseUrl),
        get: async () => {
          asked += 1;
          if (asked > 1) throw refused;
          return 'a-token';
        },
      },
    });

    expect(await failureOf(client.call(anyCall()))).toBe(refused);
    expect(asked).toBe(2);
  });
});

describe('429', () => {
  it.each([
    ['seconds', '1', 1000],
    ['a date', new Date(1_800_000_005_000).toUTCString(), 5000],
  ])('waits Retry-After in %s, for everybody, without jitter', async (_name, header, expected) => {
    const genesys = await startFakeGenesys(inTurn(status(429, { 'retry-after': header }), ok));
    const clock = fakeClock();
    const { client, bucket } = genesysClient(genesys.baseUrl, {
      ...clock,
      retry: { ...RETRY, budgetMs: 60_000 },
    });
    const paused: number[] = [];
    const pauseUntil = bucket.pauseUntil.bind(bucket);
    bucket.pauseUntil = (untilMs) => {
      paused.push(untilMs - clock.now());
      // The bucket runs on the real clock.
      pauseUntil(0);
    };

    const answer = await client.call(anyCall(write));

    expect(answer).toMatchObject({ throttled: 1, tries: 2 });
    expect(clock.sleeps).toEqual([expected]);
    expect(paused).toEqual([expected]);
  });

  it('pauses other callers until Retry-After has passed', async () => {
    const genesys = await startFakeGenesys(inTurn(status(429, { 'retry-after': '1' }), ok));
    const { client } = genesysClient(genesys.baseUrl);
    const first = client.call(anyCall());
    await expect.poll(() => genesys.calls.length).toBe(1);
    const refusedAt = performance.now();

    await Promise.all([first, client.call(anyCall())]);

    expect(performance.now() - refusedAt).toBeGreaterThan(700);
    expect(genesys.calls).toHaveLength(3);
  });

  it('backs off with jitter, and slows down, when the answer gives no time', async () => {
    const genesys = await startFakeGenesys(
      inTurn(status(429, { 'retry-after': 'soon, I think' }), ok),
    );
    const clock = fakeClock();
    const { client, bucket } = genesysClient(genesys.baseUrl, { ...clock, perMinute: 6000 });

    await client.call(anyCall());

    expect(clock.sleeps).toEqual([1]);
    expect(bucket.perMinute).toBe(3000);
  });

  it('ends after the tries, and tells how long Genesys wants us to wait', async () => {
    const genesys = await startFakeGenesys(status(429, { 'retry-after': '2' }));
    const clock = fakeClock();
    const { client, bucket } = genesysClient(genesys.baseUrl, {
      ...clock,
      retry: { ...RETRY, budgetMs: 60_000 },
    });
    bucket.pauseUntil = () => undefined;

    expect(await failureOf(client.call(anyCall(write)))).toMatchObject({
      code: 'genesys_rate_limited',
      kind: 'retry',
      retryAfterMs: 2000,
      tries: RETRY.maxTries,
    });
  });

  it('that asks for longer than the budget ends at once', async () => {
    const genesys = await startFakeGenesys(status(429, { 'retry-after': '999999999' }));
    const { client } = genesysClient(genesys.baseUrl);

    expect(await failureOf(client.call(anyCall()))).toMatchObject({
      code: 'genesys_rate_limited',
      tries: 1,
    });
  });

  it('follows a lower limit that Genesys names', async () => {
    const genesys = await startFakeGenesys(status(200, { 'inin-ratelimit-allowed': '300' }));
    const { client, bucket } = genesysClient(genesys.baseUrl, { perMinute: 6000 });

    await client.call(anyCall());

    expect(bucket.perMinute).toBe(300);
  });
});

describe('what may be repeated', () => {
  const reset: Answer = (_seen, response) => response.destroy();
  const cut: Answer = (_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' });
    response.write('{"fine":');
    setImmediate(() => response.destroy());
  };
  const faults: [string, Answer, string][] = [
    ['500', status(500), 'genesys_unavailable'],
    ['503', status(503), 'genesys_unavailable'],
    ['408', status(408), 'genesys_unavailable'],
    ['a reset', reset, 'genesys_unavailable'],
    ['a reset in the middle of the answer', cut, 'genesys_unavailable'],
  ];

  it.each(faults)('a GET after %s', async (_name, fault) => {
    const genesys = await startFakeGenesys(inTurn(fault, ok));
    const { client } = genesysClient(genesys.baseUrl);
    expect(await client.call(anyCall())).toMatchObject({ value: { fine: true }, tries: 2 });
  });

  it.each(faults)('an idempotent POST after %s', async (_name, fault) => {
    const genesys = await startFakeGenesys(inTurn(fault, ok));
    const { client } = genesysClient(genesys.baseUrl);
    const answer = await client.call(anyCall({ ...write, idempotent: true }));
    expect(answer).toMatchObject({ value: { fine: true }, tries: 2 });
  });

  it.each(faults)('not another POST after %s', async (_name, fault, code) => {
    const genesys = await startFakeGenesys(inTurn(fault, ok));
    const { client } = genesysClient(genesys.baseUrl);

    const error = await failureOf(client.call(anyCall(write)));

    expect(error).toMatchObject({ code, kind: 'retry', tries: 1 });
    expect(genesys.calls).toHaveLength(1);
  });

  it('gives up after the tries', async () => {
    const genesys = await startFakeGenesys(
      status(500, { 'inin-correlation-id': 'c-7' }, { message: 'Oh no', code: 'internal' }),
    );
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({ tries: 3, status: 500, correlationId: 'c-7' });
    expect(error.message).toContain('internal: Oh no');
    expect(genesys.calls).toHaveLength(3);
  });

  it('a refused connection is unavailability', async () => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl);
    const { client } = genesysClient('http://127.0.0.1:9', { tokens });

    expect(await failureOf(client.call(anyCall()))).toMatchObject({
      code: 'genesys_unavailable',
      kind: 'retry',
      tries: 3,
    });
  });

  it('a mistake of ours passes as it is', async () => {
    const genesys = await startFakeGenesys(ok);
    const { client } = genesysClient(genesys.baseUrl, { traceparent: () => 'not\na header' });

    const error = await failureOf(client.call(anyCall()));

    expect(error).toMatchObject({ code: 'UND_ERR_INVALID_ARG' });
    expect(genesys.calls).toHaveLength(0);
  });

  it('does not count the wait for a turn against the budget', async () => {
    const genesys = await startFakeGenesys(inTurn(status(500), ok));
    let ms = 0;
    const { client } = genesysClient(genesys.baseUrl, {
      now: () => ms,
      bucket: {
        tryTake() {
          ms += 60_000;
          return 0;
        },
        pauseUntil: () => undefined,
        setPerMinute: () => undefined,
        perMinute: 1,
      },
    });

    expect(await client.call(anyCall())).toMatchObject({ tries: 2 });
  });
});

/** A clock that moves only while the client sleeps. */
function fakeClock() {
  let ms = 1_800_000_000_000;
  const sleeps: number[] = [];
  return {
    now: () => ms,
    random: () => 0.999,
    sleeps,
    sleep: async (by: number) => {
      sleeps.push(by);
      ms += by;
    },
  };
}
