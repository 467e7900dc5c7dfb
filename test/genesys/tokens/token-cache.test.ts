import { describe, expect, it } from 'vitest';
import { capturedLog, failureOf, RETRY, tokenCache } from '../client-under-test.ts';
import { type Answer, json, ok, startFakeGenesys } from '../fake-genesys.ts';

/** A clock that the test moves, in milliseconds. */
function clock() {
  let ms = 1_800_000_000_000;
  return { now: () => ms, advance: (by: number) => (ms += by) };
}

describe('one request for many callers', () => {
  it('asks once for a hundred concurrent callers, and keeps the token', async () => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl);

    const got = await Promise.all(
      Array.from({ length: 100 }, () => tokens.get('customattributes:read')),
    );
    await tokens.get('event:subscribe');

    expect(new Set(got)).toEqual(new Set(['token-1']));
    expect(genesys.tokenCalls).toHaveLength(1);
  });

  it('renews once when a hundred callers report the same refused token', async () => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl);
    await tokens.get('groups:read');

    const got = await Promise.all(
      Array.from({ length: 100 }, async () => {
        tokens.invalidate('token-1');
        return tokens.get('groups:read');
      }),
    );
    tokens.invalidate('token-1');

    expect(new Set(got)).toEqual(new Set(['token-2']));
    expect(await tokens.get('groups:read')).toBe('token-2');
    expect(genesys.tokenCalls).toHaveLength(2);
  });

  it('lets a caller leave without ending the request of the others', async () => {
    let finish: () => void = () => undefined;
    const genesys = await startFakeGenesys(ok, (_seen, response) => {
      finish = () => json(response, 200, { access_token: 'late', expires_in: 60 });
    });
    const tokens = tokenCache(genesys.baseUrl);
    const controller = new AbortController();
    const leaving = failureOf(tokens.get('groups:read', controller.signal));
    const staying = tokens.get('groups:read');
    await expect.poll(() => genesys.tokenCalls.length).toBe(1);

    const reason = new Error('the caller left');
    controller.abort(reason);
    expect(await leaving).toBe(reason);
    finish();

    expect(await staying).toBe('late');
    expect(genesys.tokenCalls).toHaveLength(1);
  });

  it('ends a request under way when it is closed', async () => {
    const genesys = await startFakeGenesys(ok, () => undefined);
    const tokens = tokenCache(genesys.baseUrl);
    const waiting = failureOf(tokens.get('groups:read'));
    await expect.poll(() => genesys.tokenCalls.length).toBe(1);

    await tokens.close();

    expect(await waiting).toMatchObject({ message: 'The token cache was closed' });
  });
});

describe('renewal', () => {
  const lifeOf =
    (seconds: number | undefined): Answer =>
    (_seen, response) =>
      json(response, 200, { access_token: `t${Math.random()}`, expires_in: seconds });

  it.each([
    ['300 s ahead of a long life', 3600, 3299, 3301],
    ['at half of a short life', 60, 29, 31],
    ['300 s ahead of an hour, where the answer does not say its life', undefined, 3299, 3301],
  ])('happens %s, in the background', async (_name, life, before, after) => {
    const { now, advance } = clock();
    const genesys = await startFakeGenesys(ok, lifeOf(life));
    const tokens = tokenCache(genesys.baseUrl, { now });
    const first = await tokens.get('groups:read');

    advance(before * 1000);
    expect(await tokens.get('groups:read')).toBe(first);
    // A request that was started too early would have arrived before these are answered.
    for (let i = 0; i < 3; i += 1) await (await fetch(genesys.baseUrl)).text();
    expect(genesys.tokenCalls).toHaveLength(1);
    advance((after - before) * 1000);
    // The old one is good still: nobody waits for the new one.
    expect(await tokens.get('groups:read')).toBe(first);
    await expect.poll(() => tokens.get('groups:read')).not.toBe(first);
    expect(genesys.tokenCalls).toHaveLength(2);
  });

  it('waits for a new token when the old one has expired', async () => {
    const { now, advance } = clock();
    const genesys = await startFakeGenesys(ok, lifeOf(60));
    const tokens = tokenCache(genesys.baseUrl, { now });
    const first = await tokens.get('groups:read');

    advance(60_000);

    expect(await tokens.get('groups:read')).not.toBe(first);
  });

  it('survives an outage of the endpoint for as long as the token lives', async () => {
    const { now, advance } = clock();
    let away = false;
    const genesys = await startFakeGenesys(ok, (seen, response) =>
      away ? json(response, 503, {}) : lifeOf(3600)(seen, response),
    );
    const { log, text } = capturedLog();
    const tokens = tokenCache(genesys.baseUrl, { now, log });
    const first = await tokens.get('groups:read');
    away = true;

    advance(3400 * 1000);
    expect(await tokens.get('groups:read')).toBe(first);
    await expect.poll(text).toContain('No Genesys token could be obtained');
    // Not once more at every call.
    expect(await tokens.get('groups:read')).toBe(first);
    expect(genesys.tokenCalls).toHaveLength(1 + RETRY.maxTries);
    advance(101 * 1000);
    expect(await tokens.get('groups:read')).toBe(first);
    await expect.poll(() => genesys.tokenCalls.length).toBe(1 + 2 * RETRY.maxTries);

    advance(200 * 1000);
    expect(await failureOf(tokens.get('groups:read'))).toMatchObject({
      code: 'genesys_unavailable',
      kind: 'retry',
    });
    away = false;
    expect(await tokens.get('groups:read')).not.toBe(first);
  });
});
