import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import {
  accessToken,
  basic,
  createCaller,
  DEFINITIONS,
  requestToken,
  requestTokenByAssertion,
  sandboxWith,
  send,
  TEXT,
} from '../caller.ts';

const CLIENT_CREDENTIALS = {
  grant_type: 'client_credentials',
  scope: 'event:subscribe analytics:events:read',
};

describe('client credentials', () => {
  test('give a bearer token with a life', async () => {
    const sandbox = await sandboxWith({ tokenLifeSeconds: 120 });

    const answer = await requestToken(sandbox, CLIENT_CREDENTIALS, basic(sandbox));

    expect(answer).toMatchObject({
      status: 200,
      body: { expires_in: 120, token_type: 'bearer', access_token: TEXT },
    });
    expect(sandbox.tokens.issued()).toBe(1);
  });

  test.each([
    ['a wrong secret', 'wrong', CLIENT_CREDENTIALS, 401, 'invalid_client'],
    ['an unknown grant', undefined, { grant_type: 'password' }, 400, 'unsupported_grant_type'],
    [
      'an unknown scope',
      undefined,
      { ...CLIENT_CREDENTIALS, scope: 'world:rule' },
      400,
      'invalid_scope',
    ],
  ])('%s is refused', async (_what, secret, form, status, error) => {
    const sandbox = await sandboxWith();

    const answer = await requestToken(sandbox, form, basic(sandbox, secret));

    expect(answer).toMatchObject({ status, body: { error, description: TEXT } });
  });
});

describe('JWT bearer', () => {
  test.each(['ec', 'rsa'] as const)(
    'a good assertion with an %s key gives a token',
    async (keyType) => {
      const sandbox = await sandboxWith({ keyType });

      const answer = await requestTokenByAssertion(sandbox, {
        algorithm: keyType === 'ec' ? 'ES256' : 'RS256',
      });

      expect(answer).toMatchObject({ status: 200, body: { expires_in: 3600 } });
    },
  );

  const now = Math.floor(Date.now() / 1000);
  test.each([
    ['another audience', { aud: 'https://login.example.com/oauth/token' }, 'audience'],
    ['another issuer', { iss: 'somebody' }, 'issuer'],
    ['another subject', { sub: 'somebody' }, 'subject'],
    ['a life of six minutes', { iat: now, exp: now + 360 }, '300 s'],
    ['an assertion of yesterday', { iat: now - 86_400, exp: now - 86_100 }, 'expired'],
    ['no jti', { jti: undefined }, 'jti'],
  ])('%s is refused', async (_what, claims, reason) => {
    const sandbox = await sandboxWith();

    const { status, body } = await requestTokenByAssertion(sandbox, { claims });

    expect(status).toBe(400);
    expect(body['error']).toBe('invalid_grant');
    expect(body['description']).toContain(reason);
  });

  test('an assertion counts once', async () => {
    const sandbox = await sandboxWith();
    const claims = { jti: 'the-same' };

    const first = await requestTokenByAssertion(sandbox, { claims });
    const second = await requestTokenByAssertion(sandbox, { claims });

    expect([first.status, second.status]).toEqual([200, 400]);
  });

  test('the signature of another key is refused', async () => {
    const sandbox = await sandboxWith();
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
    const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

    expect((await requestTokenByAssertion(sandbox, { key })).body['error']).toBe('invalid_grant');
  });
});

describe('a token', () => {
  test('is worth nothing after its life', async () => {
    const sandbox = await sandboxWith({ tokenLifeSeconds: 0 });
    const caller = await createCaller(sandbox);

    expect(await caller.get(DEFINITIONS)).toMatchObject({
      status: 401,
      body: { code: 'bad.credentials', status: 401, contextId: TEXT },
    });
  });

  test('is worth nothing after a revocation, a new one is', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    sandbox.tokens.revokeAll();

    expect((await caller.get(DEFINITIONS)).status).toBe(401);
    expect((await (await createCaller(sandbox)).get(DEFINITIONS)).status).toBe(200);
  });

  test.each([undefined, 'Bearer made-up', 'Basic abc'])('%s is no token', async (authorization) => {
    const sandbox = await sandboxWith();
    const headers = authorization === undefined ? {} : { authorization };

    expect((await send(sandbox.url + DEFINITIONS, { headers })).status).toBe(401);
  });

  test('serves only what its client has been granted', async () => {
    const sandbox = await sandboxWith({ scopes: { clientCredentials: ['groups:read'] } });
    const caller = await createCaller(sandbox);

    expect((await caller.get('/api/v2/groups/acme')).status).toBe(200);
    const refused = await caller.get(DEFINITIONS);
    expect(refused).toMatchObject({ status: 403, body: { code: 'missing.permissions' } });
    expect(refused.body['message']).toContain('customattributes:read');
  });

  test('comes from its own sandbox alone', async () => {
    const [one, other] = [await sandboxWith(), await sandboxWith()];
    const authorization = `Bearer ${await accessToken(one)}`;

    const answer = await send(other.url + DEFINITIONS, { headers: { authorization } });
    expect(answer.status).toBe(401);
  });
});
