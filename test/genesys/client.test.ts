import { describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../src/errors.ts';
import { record } from '../../src/genesys/shape.ts';
import {
  anyCall,
  CLIENT_SECRET,
  capturedLog,
  failureOf,
  genesysClient,
  RETRY,
  TIMEOUTS,
  tokenCache,
} from './client-under-test.ts';
import { type Answer, json, startFakeGenesys } from './fake-genesys.ts';

/** Each answer once, the last one for ever. */
function inTurn(...answers: Answer[]): Answer {
  let next = 0;
  return (seen, response) => {
    answers[Math.min(next, answers.length - 1)]?.(seen, response);
    next += 1;
  };
}

const ok: Answer = (_seen, response) => json(response, 200, { fine: true });
const status =
  (code: number, headers: Record<string, string> = {}, body: unknown = {}): Answer =>
  (_seen, response) =>
    json(response, code, body, headers);
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

  it('does not count the wait for a turn against the budget', async () => {
    const genesys = await startFakeGenesys(inTurn(status(500), ok));
    let ms = 0;
    const { client } = genesysClient(genesys.baseUrl, {
      now: () => ms,
      bucket: {
        take: async () => void (ms += 60_000),
        pauseUntil: () => undefined,
        setPerMinute: () => undefined,
        perMinute: 1,
      },
    });

    expect(await client.call(anyCall())).toMatchObject({ tries: 2 });
  });
});

describe('time limits', () => {
  it.each<[string, Answer, Partial<typeof TIMEOUTS>]>([
    ['no answer', () => undefined, { headersMs: 50 }],
    [
      'a silent body',
      (_seen, response) => {
        response.writeHead(200);
        response.write('{');
      },
      { bodyMs: 50 },
    ],
    [
      'a body that drips for ever',
      (_seen, response) => {
        response.writeHead(200);
        const timer = setInterval(() => response.write(' '), 20);
        response.once('close', () => clearInterval(timer));
      },
      { tryMs: 150 },
    ],
  ])('%s', async (_name, answer, timeouts) => {
    const genesys = await startFakeGenesys(answer);
    const { client } = genesysClient(genesys.baseUrl, {
      timeouts: { ...TIMEOUTS, ...timeouts },
      tokens: tokenCache(genesys.baseUrl),
    });

    expect(await failureOf(client.call(anyCall(write)))).toMatchObject({
      code: 'genesys_timeout',
      kind: 'retry',
      tries: 1,
    });
    // The socket that the answer may still come through is gone.
    await expect.poll(genesys.openSockets).toBeLessThanOrEqual(1);
  });

  it('a call waits no longer than that for a free socket', async () => {
    const genesys = await startFakeGenesys(() => undefined);
    const { client } = genesysClient(genesys.baseUrl, {
      maxConnections: 1,
      timeouts: { ...TIMEOUTS, tryMs: 100 },
      tokens: tokenCache(genesys.baseUrl),
    });

    const errors = await Promise.all([1, 2].map(() => failureOf(client.call(anyCall(write)))));

    expect(errors).toMatchObject([{ code: 'genesys_timeout' }, { code: 'genesys_timeout' }]);
  });
});

describe('abort', () => {
  const reason = new Error('the caller left');

  it.each<[string, Answer]>([
    ['in flight', () => undefined],
    [
      'within the body',
      (_seen, response) => {
        response.writeHead(200);
        response.write('{');
      },
    ],
    ['in a back-off', status(503, { 'retry-after': '1' })],
  ])('%s', async (_name, answer) => {
    const genesys = await startFakeGenesys(answer);
    const { client } = genesysClient(genesys.baseUrl);
    const controller = new AbortController();
    const failed = failureOf(client.call(anyCall({ signal: controller.signal })));
    await expect.poll(() => genesys.calls.length).toBe(1);

    controller.abort(reason);

    expect(await failed).toBe(reason);
    expect(genesys.calls).toHaveLength(1);
  });

  it('while waiting for its turn', async () => {
    const genesys = await startFakeGenesys(ok);
    const { client, bucket } = genesysClient(genesys.baseUrl);
    bucket.pauseUntil(Date.now() + 60_000);
    const controller = new AbortController();
    const failed = failureOf(client.call(anyCall({ signal: controller.signal })));

    controller.abort(reason);

    expect(await failed).toBe(reason);
    expect(genesys.calls).toHaveLength(0);
  });

  it('before it began', async () => {
    const genesys = await startFakeGenesys(ok);
    const { client } = genesysClient(genesys.baseUrl);
    const signal = AbortSignal.abort(reason);
    expect(await failureOf(client.call(anyCall({ signal })))).toBe(reason);
    expect(genesys.calls).toHaveLength(0);
  });

  it('close ends what is under way, without another try', async () => {
    const genesys = await startFakeGenesys(() => undefined);
    const { client } = genesysClient(genesys.baseUrl);
    const failed = failureOf(client.call(anyCall()));
    await expect.poll(() => genesys.calls.length).toBe(1);

    await client.close();

    expect(await failed).toMatchObject({ code: 'genesys_unavailable' });
    expect(genesys.calls).toHaveLength(1);
  });
});

describe('answers that make no sense', () => {
  const html: Answer = (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html>Please log in</html>');
  };

  it('a 200 with HTML, repeated for a GET', async () => {
    const genesys = await startFakeGenesys(html);
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({ code: 'genesys_bad_answer', kind: 'retry', tries: 3 });
    expect(error.message).toContain('text/html');
  });

  it('and not repeated for a POST, whose work may be done', async () => {
    const genesys = await startFakeGenesys(html);
    const { client } = genesysClient(genesys.baseUrl);

    const error = await failureOf(client.call(anyCall({ ...write, idempotent: true })));

    expect(error).toMatchObject({ code: 'genesys_bad_answer', tries: 1 });
    expect(genesys.calls).toHaveLength(1);
  });

  it('another shape', async () => {
    const genesys = await startFakeGenesys((_seen, response) => json(response, 200, [1]));
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(
      client.call(anyCall({ read: (body) => record(body, 'the thing') })),
    )) as UpstreamError;

    expect(error.code).toBe('genesys_bad_answer');
    expect(error.message).toContain('the thing is a list instead of an object');
  });

  it('a redirect, which is not followed', async () => {
    const genesys = await startFakeGenesys(status(302, { location: 'http://127.0.0.1:9/' }));
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({ code: 'genesys_bad_answer', status: 302 });
    expect(error.message).toContain('GENESYS_BASE_URL');
  });

  it('more than the bound', async () => {
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(200);
      response.end(`"${'x'.repeat(5000)}"`);
    });
    const { client } = genesysClient(genesys.baseUrl, { maxAnswerBytes: 1000 });

    expect(await failureOf(client.call(anyCall()))).toMatchObject({
      code: 'genesys_bad_answer',
      tries: 1,
    });
  });

  it('no body at all is undefined to the reader', async () => {
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(204);
      response.end();
    });
    const { client } = genesysClient(genesys.baseUrl);

    expect(await client.call(anyCall())).toMatchObject({ value: undefined, status: 204 });
  });

  it('a character cut in the middle is put together again', async () => {
    const bytes = Buffer.from(JSON.stringify({ name: 'Zürich 東京 🚀' }));
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(200);
      let at = 0;
      const next = () => {
        if (at >= bytes.length) response.end();
        else response.write(bytes.subarray(at, (at += 1)), () => setImmediate(next));
      };
      next();
    });
    const { client } = genesysClient(genesys.baseUrl);

    expect((await client.call(anyCall())).value).toEqual({ name: 'Zürich 東京 🚀' });
  });
});

describe('what is seen from outside', () => {
  it('counts requests, retries and waits', async () => {
    const genesys = await startFakeGenesys(inTurn(status(503), status(429), ok));
    const { client, registry } = genesysClient(genesys.baseUrl);

    await client.call(anyCall());

    const text = await registry.metrics();
    expect(text).toContain('genesys_requests_total{operation="test_call",status="503"} 1');
    expect(text).toContain('genesys_requests_total{operation="test_call",status="429"} 1');
    expect(text).toContain('genesys_requests_total{operation="test_call",status="200"} 1');
    expect(text).toContain(
      'genesys_retries_total{operation="test_call",reason="genesys_rate_limited"} 1',
    );
    expect(text).toContain('genesys_request_duration_seconds_count{operation="test_call"} 3');
    expect(text).toMatch(/genesys_rate_limit_wait_seconds_total \d/);
    expect(text).toContain('genesys_rate_limit_per_minute 50000');
  });

  it('hands a trace context on', async () => {
    const genesys = await startFakeGenesys(ok);
    const { client } = genesysClient(genesys.baseUrl);
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

    await client.call(anyCall({ traceparent }));

    expect(genesys.calls[0]?.headers['traceparent']).toBe(traceparent);
  });

  it('shows no token and no secret, in errors or log, even when Genesys echoes them', async () => {
    const genesys = await startFakeGenesys((seen, response) =>
      json(response, 403, { message: `You sent ${seen.headers.authorization}\n\u001b[31m` }),
    );
    const { log, text } = capturedLog();
    const { client } = genesysClient(genesys.baseUrl, {
      log,
      tokens: tokenCache(genesys.baseUrl, { log }),
    });

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;
    log.error({ err: error }, 'shown');

    const shown = `${error.message} ${text()}`;
    expect(shown).toContain('You sent Bearer [hidden]');
    expect(shown).not.toContain('token-1');
    expect(shown).not.toContain(CLIENT_SECRET);
    expect(error.message).not.toContain('\n');
    expect(error.message).not.toContain('\u001b');
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
