import { generateKeyPairSync } from 'node:crypto';
import jwt, { type JwtPayload } from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { createTokenCache } from '../../../src/genesys/tokens/token-cache.ts';
import {
  CLIENT_CREDENTIALS,
  CLIENT_SECRET,
  capturedLog,
  failureOf,
  JWT_BEARER,
  PUBLIC_KEY,
  RETRY,
  TIMEOUTS,
  tokenCache,
} from '../client-under-test.ts';
import { ok, startFakeGenesys, status } from '../fake-genesys.ts';

const pem = { type: 'pkcs8', format: 'pem' } as const;
const spki = { type: 'spki', format: 'pem' } as const;

describe('grants', () => {
  it.each([
    ['customattributes:read', 'jwt_bearer'],
    ['customattributes:write', 'jwt_bearer'],
    ['analytics:read', 'jwt_bearer'],
    ['groups:read', 'jwt_bearer'],
    ['accesscontrol:read', 'jwt_bearer'],
    ['event:subscribe', 'client_credentials'],
    ['analytics:events:read', 'client_credentials'],
  ] as const)('with both configured %s uses %s', async (scope, grant) => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl, {
      jwtBearer: JWT_BEARER,
      clientCredentials: CLIENT_CREDENTIALS,
    });

    await tokens.get(scope);

    const form = new URLSearchParams(genesys.tokenCalls[0]?.body);
    expect(form.get('grant_type')).toContain(
      grant.replace('_', grant === 'jwt_bearer' ? '-' : '_'),
    );
    expect(tokens.grantOf(scope)).toBe(grant);
  });

  it('keeps a token of each grant', async () => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl, {
      jwtBearer: JWT_BEARER,
      clientCredentials: CLIENT_CREDENTIALS,
    });

    const first = await tokens.get('groups:read');
    const second = await tokens.get('event:subscribe');
    tokens.invalidate(first);

    expect(await tokens.get('event:subscribe')).toBe(second);
    expect(await tokens.get('groups:read')).toBe('token-3');
  });

  it.each([
    ['jwt_bearer', { jwtBearer: JWT_BEARER }],
    ['client_credentials', { clientCredentials: CLIENT_CREDENTIALS }],
  ] as const)('%s alone serves all', async (grant, options) => {
    const genesys = await startFakeGenesys(ok);
    const tokens = tokenCache(genesys.baseUrl, options);

    await tokens.get('event:subscribe');
    await tokens.get('customattributes:write');

    expect(genesys.tokenCalls).toHaveLength(1);
    expect(tokens.grantOf('event:subscribe')).toBe(grant);
    expect(tokens.grantOf('groups:read')).toBe(grant);
  });

  it('refuses to be made without credentials', () => {
    expect(() => tokenCacheOf({})).toThrow(ConfigError);
  });
});

describe('requests', () => {
  it('sends id and secret by HTTP Basic, and asks for the scopes', async () => {
    const genesys = await startFakeGenesys(ok);
    await tokenCache(genesys.baseUrl).get('event:subscribe');

    const [call] = genesys.tokenCalls;
    expect(call?.method).toBe('POST');
    expect(call?.headers['content-type']).toBe('application/x-www-form-urlencoded');
    expect(call?.headers.authorization).toBe(
      `Basic ${Buffer.from(`the-client:${CLIENT_SECRET}`).toString('base64')}`,
    );
    expect(Object.fromEntries(new URLSearchParams(call?.body))).toEqual({
      grant_type: 'client_credentials',
      scope: 'event:subscribe analytics:events:read',
    });
  });

  const rsa = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    privateKeyEncoding: pem,
    publicKeyEncoding: spki,
  });
  const sec1 = generateKeyPairSync('ec', {
    namedCurve: 'P-256',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: spki,
  });
  it.each([
    ['ES256', { ...JWT_BEARER, publicKey: PUBLIC_KEY }],
    ['ES256', sec1],
    ['RS256', rsa],
  ] as const)(
    'signs an assertion with %s that the public key verifies',
    async (algorithm, keys) => {
      const genesys = await startFakeGenesys(ok);
      const tokens = tokenCache(`${genesys.baseUrl}/`, {
        jwtBearer: { ...JWT_BEARER, privateKey: keys.privateKey },
      });
      await tokens.get('groups:read');

      const form = new URLSearchParams(genesys.tokenCalls[0]?.body);
      expect(form.get('grant_type')).toBe('urn:ietf:params:oauth:grant-type:jwt-bearer');
      expect(form.get('client_id')).toBe('bearer-client');
      expect(genesys.tokenCalls[0]?.headers.authorization).toBeUndefined();
      const claims = jwt.verify(form.get('assertion') ?? '', keys.publicKey, {
        algorithms: [algorithm],
        issuer: 'bearer-client',
        subject: 'svc@acme.example',
        audience: `${genesys.baseUrl}/oauth/token`,
      }) as JwtPayload;
      expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBeGreaterThan(0);
      expect((claims.exp ?? 0) - (claims.iat ?? 0)).toBeLessThanOrEqual(300);
      expect(claims.jti).toMatch(/^[0-9a-f-]{36}$/);
    },
  );

  it('signs each try anew, so that no assertion is used twice', async () => {
    const genesys = await startFakeGenesys(ok, status(503));
    await failureOf(tokenCache(genesys.baseUrl, { jwtBearer: JWT_BEARER }).get('groups:read'));

    const ids = genesys.tokenCalls.map(
      ({ body }) =>
        (jwt.decode(new URLSearchParams(body).get('assertion') ?? '') as JwtPayload).jti,
    );
    expect(new Set(ids).size).toBe(RETRY.maxTries);
  });

  const weak = generateKeyPairSync('rsa', {
    modulusLength: 1024,
    privateKeyEncoding: pem,
    publicKeyEncoding: spki,
  }).privateKey;
  const edwards = generateKeyPairSync('ed25519', {
    privateKeyEncoding: pem,
    publicKeyEncoding: spki,
  }).privateKey;
  const koblitz = generateKeyPairSync('ec', {
    namedCurve: 'secp256k1',
    privateKeyEncoding: pem,
    publicKeyEncoding: spki,
  }).privateKey;
  const p384 = generateKeyPairSync('ec', {
    namedCurve: 'P-384',
    privateKeyEncoding: pem,
    publicKeyEncoding: spki,
  }).privateKey;
  it.each([
    ['an RSA key of 1024 bits', weak],
    ['ed25519', edwards],
    ['secp256k1', koblitz],
    ['secp384r1', p384],
    [
      'no PEM private key',
      '-----BEGIN PRIVATE KEY-----\nAAAAmangledAAAA\n-----END PRIVATE KEY-----',
    ],
  ])('refuses a key that cannot sign: %s', (found, privateKey) => {
    let message = '';
    try {
      tokenCacheOf({ jwtBearer: { ...JWT_BEARER, privateKey } });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      message = (error as Error).message;
    }
    expect(message).toContain(found);
    expect(message).toMatch(/allowed: EC/);
    expect(message).not.toContain(privateKey.split('\n')[1]);
  });
});

function tokenCacheOf(options: Partial<Parameters<typeof createTokenCache>[0]>) {
  return createTokenCache({
    baseUrl: 'http://127.0.0.1:9',
    renewalSeconds: 300,
    timeouts: TIMEOUTS,
    retry: RETRY,
    log: capturedLog().log,
    ...options,
  });
}
