import { generateKeyPairSync } from 'node:crypto';
import jwt, { type JwtPayload } from 'jsonwebtoken';
import { describe, expect, it } from 'vitest';
import { ConfigError, type UpstreamError } from '../../src/errors.ts';
import { createTokenCache } from '../../src/genesys/tokens.ts';
import {
  CLIENT_CREDENTIALS,
  CLIENT_SECRET,
  capturedLog,
  failureOf,
  RETRY,
  TIMEOUTS,
  tokenCache,
} from './client-under-test.ts';
import { type Answer, json, startFakeGenesys } from './fake-genesys.ts';

const noApi: Answer = (_seen, response) => json(response, 500, {});
const pem = { type: 'pkcs8', format: 'pem' } as const;
const spki = { type: 'spki', format: 'pem' } as const;
const p256 = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  privateKeyEncoding: pem,
  publicKeyEncoding: spki,
});
const jwtBearer = {
  clientId: 'bearer-client',
  privateKey: p256.privateKey,
  subject: 'svc@acme.example',
};

/** A clock that the test moves, in milliseconds. */
function clock() {
  let ms = 1_800_000_000_000;
  return { now: () => ms, advance: (by: number) => (ms += by) };
}

describe('one request for many callers', () => {
  it('asks once for a hundred concurrent callers, and keeps the token', async () => {
    const genesys = await startFakeGenesys(noApi);
    const tokens = tokenCache(genesys.baseUrl);

    const got = await Promise.all(
      Array.from({ length: 100 }, () => tokens.get('customattributes:read')),
    );
    await tokens.get('event:subscribe');

    expect(new Set(got)).toEqual(new Set(['token-1']));
    expect(genesys.tokenCalls).toHaveLength(1);
  });

  it('renews once when a hundred callers report the same refused token', async () => {
    const genesys = await startFakeGenesys(noApi);
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
    const genesys = await startFakeGenesys(noApi, (_seen, response) => {
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
    const genesys = await startFakeGenesys(noApi, () => undefined);
    const tokens = tokenCache(genesys.baseUrl);
    const waiting = failureOf(tokens.get('groups:read'));
    await expect.poll(() => genesys.tokenCalls.length).toBe(1);

    await tokens.close();

    expect(await waiting).toMatchObject({ message: 'The token cache was closed' });
  });
});

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
    const genesys = await startFakeGenesys(noApi);
    const tokens = tokenCache(genesys.baseUrl, {
      jwtBearer,
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
    const genesys = await startFakeGenesys(noApi);
    const tokens = tokenCache(genesys.baseUrl, {
      jwtBearer,
      clientCredentials: CLIENT_CREDENTIALS,
    });

    const first = await tokens.get('groups:read');
    const second = await tokens.get('event:subscribe');
    tokens.invalidate(first);

    expect(await tokens.get('event:subscribe')).toBe(second);
    expect(await tokens.get('groups:read')).toBe('token-3');
  });

  it.each([
    ['jwt_bearer', { jwtBearer }],
    ['client_credentials', { clientCredentials: CLIENT_CREDENTIALS }],
  ] as const)('%s alone serves all', async (grant, options) => {
    const genesys = await startFakeGenesys(noApi);
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
    const genesys = await startFakeGenesys(noApi);
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
  const p384 = generateKeyPairSync('ec', {
    namedCurve: 'secp384r1',
    privateKeyEncoding: { type: 'sec1', format: 'pem' },
    publicKeyEncoding: spki,
  });
  it.each([
    ['ES256', p256],
    ['ES384', p384],
    ['RS256', rsa],
  ] as const)(
    'signs an assertion with %s that the public key verifies',
    async (algorithm, keys) => {
      const genesys = await startFakeGenesys(noApi);
      const tokens = tokenCache(`${genesys.baseUrl}/`, {
        jwtBearer: { ...jwtBearer, privateKey: keys.privateKey },
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
    const genesys = await startFakeGenesys(noApi, (_seen, response) => json(response, 503, {}));
    await failureOf(tokenCache(genesys.baseUrl, { jwtBearer }).get('groups:read'));

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
  it.each([
    ['an RSA key of 1024 bits', weak],
    ['ed25519', edwards],
    ['secp256k1', koblitz],
    [
      'no PEM private key',
      '-----BEGIN PRIVATE KEY-----\nAAAAmangledAAAA\n-----END PRIVATE KEY-----',
    ],
  ])('refuses a key that cannot sign: %s', (found, privateKey) => {
    let message = '';
    try {
      tokenCacheOf({ jwtBearer: { ...jwtBearer, privateKey } });
    } catch (error) {
      expect(error).toBeInstanceOf(ConfigError);
      message = (error as Error).message;
    }
    expect(message).toContain(found);
    expect(message).toMatch(/allowed: EC/);
    expect(message).not.toContain(privateKey.split('\n')[1]);
  });
});

describe('renewal', () => {
  const lifeOf =
    (seconds: number): Answer =>
    (_seen, response) =>
      json(response, 200, { access_token: `t${Math.random()}`, expires_in: seconds });

  it.each([
    ['300 s ahead of a long life', 3600, 3299, 3301],
    ['at half of a short life', 60, 29, 31],
  ])('happens %s, in the background', async (_name, life, before, after) => {
    const { now, advance } = clock();
    const genesys = await startFakeGenesys(noApi, lifeOf(life));
    const tokens = tokenCache(genesys.baseUrl, { now });
    const first = await tokens.get('groups:read');

    advance(before * 1000);
    expect(await tokens.get('groups:read')).toBe(first);
    expect(genesys.tokenCalls).toHaveLength(1);
    advance((after - before) * 1000);
    // The old one is good still: nobody waits for the new one.
    expect(await tokens.get('groups:read')).toBe(first);
    await expect.poll(() => tokens.get('groups:read')).not.toBe(first);
    expect(genesys.tokenCalls).toHaveLength(2);
  });

  it('waits for a new token when the old one has expired', async () => {
    const { now, advance } = clock();
    const genesys = await startFakeGenesys(noApi, lifeOf(60));
    const tokens = tokenCache(genesys.baseUrl, { now });
    const first = await tokens.get('groups:read');

    advance(60_000);

    expect(await tokens.get('groups:read')).not.toBe(first);
  });

  it('survives an outage of the endpoint for as long as the token lives', async () => {
    const { now, advance } = clock();
    let away = false;
    const genesys = await startFakeGenesys(noApi, (seen, response) =>
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

describe('failures', () => {
  it.each([
    ['jwt', 400, { error: 'invalid_client', description: 'client not found' }, 'OAUTH_CLIENT_ID'],
    [
      'jwt',
      400,
      { error: 'invalid_grant', error_description: 'bad signature' },
      'OAUTH_PRIVATE_KEY',
    ],
    ['jwt', 400, { error: 'invalid_grant', description: 'unknown subject' }, 'OAUTH_SUBJECT'],
    ['jwt', 401, { error: 'invalid_grant' }, 'OAUTH_PRIVATE_KEY and OAUTH_SUBJECT'],
    ['jwt', 400, { error: 'invalid_grant', description: 'assertion expired' }, 'clock'],
    ['jwt', 403, {}, 'OAUTH_CLIENT_ID, OAUTH_PRIVATE_KEY and OAUTH_SUBJECT'],
    ['cc', 401, { error: 'invalid_client' }, 'GENESYS_CLIENT_ID and GENESYS_CLIENT_SECRET'],
    ['cc', 401, { error: 'invalid_client', description: 'wrong secret' }, 'GENESYS_CLIENT_SECRET'],
    ['cc', 400, { error: 'unauthorized_client' }, 'allows the grant client_credentials'],
    ['cc', 400, { error: 'invalid_scope' }, 'event:subscribe'],
    ['cc', 404, {}, 'GENESYS_BASE_URL'],
  ] as const)('a refusal says what to check: %s %i %j', async (kind, status, body, hint) => {
    const genesys = await startFakeGenesys(noApi, (_seen, response) =>
      json(response, status, body, { 'inin-correlation-id': 'c-1' }),
    );
    const tokens = tokenCache(genesys.baseUrl, kind === 'jwt' ? { jwtBearer } : {});

    const error = (await failureOf(tokens.get('groups:read'))) as UpstreamError;

    expect(error).toMatchObject({
      code: 'genesys_credentials_refused',
      kind: 'systemic',
      status,
      correlationId: 'c-1',
      tries: 1,
    });
    expect(error.message).toContain(hint);
    for (const said of Object.values(body)) expect(error.message).toContain(said);
    expect(genesys.tokenCalls).toHaveLength(1);
  });

  it('keeps no failure', async () => {
    let refuse = true;
    const genesys = await startFakeGenesys(noApi, (_seen, response) =>
      refuse
        ? json(response, 401, { error: 'invalid_client' })
        : json(response, 200, { access_token: 'good', expires_in: 60 }),
    );
    const tokens = tokenCache(genesys.baseUrl);
    await failureOf(tokens.get('groups:read'));
    refuse = false;

    expect(await tokens.get('groups:read')).toBe('good');
  });

  it('repeats after 5xx and 429, and obeys Retry-After', async () => {
    const answers: Answer[] = [
      (_seen, response) => json(response, 503, {}),
      (_seen, response) => json(response, 429, {}, { 'retry-after': '1' }),
      (_seen, response) => json(response, 200, { access_token: 'good', expires_in: '60' }),
    ];
    const genesys = await startFakeGenesys(noApi, (seen, response) =>
      answers.shift()?.(seen, response),
    );
    const sleeps: number[] = [];
    const tokens = tokenCache(genesys.baseUrl, {
      random: () => 0.999,
      sleep: async (ms) => void sleeps.push(ms),
    });

    expect(await tokens.get('groups:read')).toBe('good');
    expect(sleeps).toEqual([1, 1000]);
  });

  it.each([
    ['HTML', '<html>', 'not JSON'],
    ['no token', '{"expires_in":60}', 'access_token'],
    ['a token with a line feed', '{"access_token":"a\\nb","expires_in":60}', 'access_token'],
    ['no life', '{"access_token":"abc"}', 'expires_in'],
    ['another type', '{"access_token":"abc","expires_in":60,"token_type":"mac"}', 'token_type'],
    ['a list', '[]', 'the answer'],
  ])('a 200 with %s is a bad answer', async (_name, body, problem) => {
    const genesys = await startFakeGenesys(noApi, (_seen, response) => response.end(body));

    const error = await failureOf(tokenCache(genesys.baseUrl).get('groups:read'));

    expect(error).toMatchObject({ code: 'genesys_bad_answer', kind: 'retry', tries: 3 });
    expect((error as Error).message).toContain(problem);
  });

  it('times out on an endpoint that does not answer', async () => {
    const genesys = await startFakeGenesys(noApi, () => undefined);
    const tokens = tokenCache(genesys.baseUrl, {
      timeouts: { ...TIMEOUTS, headersMs: 50 },
      retry: { ...RETRY, maxTries: 2 },
    });

    expect(await failureOf(tokens.get('groups:read'))).toMatchObject({
      code: 'genesys_timeout',
      kind: 'retry',
      tries: 2,
    });
  });

  it('shows no secret, in errors or log, even when the endpoint echoes all it got', async () => {
    const genesys = await startFakeGenesys(noApi, (seen, response) =>
      json(response, 400, {
        error: 'invalid_grant',
        description: `got ${seen.body} ${echoOf(seen.headers.authorization)}`,
      }),
    );
    for (const options of [{ jwtBearer }, { clientCredentials: CLIENT_CREDENTIALS }]) {
      const { log, text } = capturedLog();
      const error = (await failureOf(
        tokenCache(genesys.baseUrl, { ...options, log }).get('groups:read'),
      )) as UpstreamError;
      const shown = `${error.message} ${error.stack} ${JSON.stringify(error)} ${text()}`;

      const call = genesys.tokenCalls.at(-1);
      const assertion = new URLSearchParams(call?.body).get('assertion');
      expect(text()).toContain('invalid_grant');
      expect(shown).not.toContain(CLIENT_SECRET);
      expect(shown).not.toContain(call?.headers.authorization?.slice(6) ?? 'Basic ');
      expect(shown).not.toContain(assertion?.slice(0, 40) ?? 'assertion=');
      for (const line of jwtBearer.privateKey.split('\n').filter((part) => part.length > 20)) {
        if (!line.startsWith('-----')) expect(shown).not.toContain(line);
      }
    }
  });
});

/** The header, and the secret that is in it. */
function echoOf(authorization = ''): string {
  const decoded = Buffer.from(authorization.slice(6), 'base64').toString();
  return `${authorization} ${decoded} ${decoded.split(':')[1] ?? ''}`;
}

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
