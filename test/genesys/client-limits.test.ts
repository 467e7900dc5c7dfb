import { describe, expect, it } from 'vitest';
import { anyCall, failureOf, genesysClient, TIMEOUTS, tokenCache } from './client-under-test.ts';
import { type Answer, ok, startFakeGenesys, status } from './fake-genesys.ts';

const write = { method: 'POST', scope: 'customattributes:write' } as const;

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
      timedOut: true,
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

    expect(await failed).toMatchObject({ code: 'genesys_unavailable', tries: 1 });
    expect(genesys.calls).toHaveLength(1);
  });
});
