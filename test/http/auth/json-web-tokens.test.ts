import { createHmac, sign as cryptoSign, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt, { type SignOptions } from 'jsonwebtoken';
import { describe, expect, onTestFinished, test } from 'vitest';
import { createAuthentication } from '../../../src/http/auth/authentication.ts';
import {
  createJsonWebTokens,
  type JsonWebTokenOptions,
} from '../../../src/http/auth/json-web-tokens.ts';
import { createKeySet } from '../../../src/http/auth/key-set.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const ed = generateKeyPairSync('ed25519');
const publicPem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const edPem = ed.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const SECRET = 'a shared secret of more than 32 bytes';
const claims = {
  iss: 'https://issuer.test',
  aud: 'interaction-bridge',
  sub: 'crm',
  roles: ['map'],
};

const base = {
  issuer: claims.iss,
  audience: claims.aud,
  rolesClaim: 'roles',
  algorithms: ['RS256', 'PS256'],
} as const;
const withPublicKey: JsonWebTokenOptions = { ...base, key: { publicKey: publicPem } };

function sign(
  payload: object = claims,
  options: SignOptions = {},
  key: KeyObject | string = rsa.privateKey,
): string {
  return jwt.sign(payload, key, { algorithm: 'RS256', expiresIn: 300, ...options });
}

function forge(header: object, payload: object, secret?: string | Buffer): string {
  const encode = (part: object) => Buffer.from(JSON.stringify(part)).toString('base64url');
  const input = `${encode(header)}.${encode(payload)}`;
  const signature =
    secret === undefined ? '' : createHmac('sha256', secret).update(input).digest('base64url');
  return `${input}.${signature}`;
}

const inAnHour = Math.floor(Date.now() / 1000) + 3600;

describe('a token that is fine', () => {
  test.each<[string, JsonWebTokenOptions, string]>([
    ['RS256', withPublicKey, sign()],
    ['PS256', withPublicKey, sign(claims, { algorithm: 'PS256' })],
    [
      'ES256',
      {
        ...base,
        algorithms: ['ES256'],
        key: { publicKey: ec.publicKey.export({ type: 'spki', format: 'pem' }).toString() },
      },
      sign(claims, { algorithm: 'ES256' }, ec.privateKey),
    ],
    [
      'HS256',
      { ...base, algorithms: ['HS256'], key: { secret: SECRET } },
      sign(claims, { algorithm: 'HS256' }, SECRET),
    ],
  ])('%s names its caller and the roles', async (_name, options, token) => {
    const tokens = createJsonWebTokens(options);
    expect(await tokens.verify(token)).toEqual({ name: 'crm', roles: new Set(['map']) });
  });

  test.each([
    ['words', { roles: 'map report root' }, 'roles', ['map', 'report']],
    ['a list with strangers', { roles: ['operate', 7, null, 'root'] }, 'roles', ['operate']],
    ['another claim', { 'https://x/roles': ['simulate'] }, 'https://x/roles', ['simulate']],
    ['an object', { roles: { map: true } }, 'roles', []],
    ['nothing', { roles: undefined }, 'roles', []],
    ['nothing under an inherited name', {}, '__proto__', []],
  ])('has its roles as %s', async (_name, more, rolesClaim, expected) => {
    const tokens = createJsonWebTokens({ ...withPublicKey, rolesClaim });
    const { roles } = await tokens.verify(
      sign(JSON.parse(JSON.stringify({ ...claims, ...more })) as object),
    );
    expect([...roles]).toEqual(expected);
  });
});

describe('a token that is not', () => {
  const tampered = () => {
    const [header, , signature] = sign().split('.');
    const payload = Buffer.from(JSON.stringify({ ...claims, roles: ['operate'], exp: inAnHour }));
    return `${header}.${payload.toString('base64url')}.${signature}`;
  };

  test.each<[string, () => string, string]>([
    ['expired', () => sign(claims, { expiresIn: -60 }), 'expired'],
    ['without expiry', () => jwt.sign(claims, rsa.privateKey, { algorithm: 'RS256' }), 'invalid'],
    ['not valid yet', () => sign(claims, { notBefore: 120 }), 'invalid'],
    ['for another audience', () => sign({ ...claims, aud: 'other' }), 'invalid'],
    ['without audience', () => sign({ iss: claims.iss, sub: 'crm' }), 'invalid'],
    ['of another issuer', () => sign({ ...claims, iss: 'https://evil.test' }), 'invalid'],
    ['signed by another key', () => sign(claims, {}, otherRsa.privateKey), 'invalid'],
    ['of an algorithm that is not listed', () => sign(claims, { algorithm: 'RS512' }), 'invalid'],
    ['tampered with', tampered, 'invalid'],
    ['alg none', () => forge({ alg: 'none', typ: 'JWT' }, { ...claims, exp: inAnHour }), 'invalid'],
    ['alg NoNe', () => forge({ alg: 'NoNe' }, { ...claims, exp: inAnHour }), 'invalid'],
    [
      'HS256 with the public key',
      () => forge({ alg: 'HS256' }, { ...claims, exp: inAnHour }, publicPem),
      'invalid',
    ],
    [
      'HS256 with an empty secret',
      () => forge({ alg: 'HS256' }, { ...claims, exp: inAnHour }, ''),
      'invalid',
    ],
    [
      'critical',
      () => sign(claims, { header: { alg: 'RS256', crit: ['x'], x: 1 } as never }),
      'invalid',
    ],
    [
      'with a key id that is no text',
      () => forge({ alg: 'RS256', kid: { a: 1 } }, claims, 'x'),
      'malformed',
    ],
    ['not a token', () => 'a.b.c', 'malformed'],
    ['empty', () => '..', 'malformed'],
    ['oversized', () => sign({ ...claims, more: 'x'.repeat(9000) }), 'too_long'],
  ])('%s', async (_name, token, refusal) => {
    const tokens = createJsonWebTokens(withPublicKey);
    await expect(tokens.verify(token())).rejects.toMatchObject({ name: 'TokenRefused', refusal });
  });

  test('an asymmetric token against a shared secret', async () => {
    const tokens = createJsonWebTokens({ ...base, algorithms: ['HS256'], key: { secret: SECRET } });
    await expect(tokens.verify(sign())).rejects.toMatchObject({ refusal: 'invalid' });
  });
});

test.each<[string, JsonWebTokenOptions]>([
  ['a short secret', { ...base, algorithms: ['HS256'], key: { secret: 'short' } }],
  [
    'a public key with HS',
    { ...base, algorithms: ['RS256', 'HS256'], key: { publicKey: publicPem } },
  ],
  ['a secret with RS', { ...base, algorithms: ['RS256'], key: { secret: SECRET } }],
  ['no algorithm', { ...base, algorithms: [], key: { publicKey: publicPem } }],
  ['none', { ...base, algorithms: ['none'], key: { publicKey: publicPem } }],
  ['EdDSA with an RSA key', { ...base, algorithms: ['EdDSA'], key: { publicKey: publicPem } }],
  ['RSA with an Ed25519 key', { ...base, key: { publicKey: edPem } }],
  ['EdDSA with a secret', { ...base, algorithms: ['EdDSA'], key: { secret: SECRET } }],
])('%s is refused at start', (_name, options) => {
  expect(() => createJsonWebTokens(options)).toThrow(/JWT_(?:SECRET|ALGORITHMS)/);
});

describe('EdDSA', () => {
  const options: JsonWebTokenOptions = {
    ...base,
    algorithms: ['RS256', 'EdDSA'],
    key: { publicKey: edPem },
  };
  const fine = { ...claims, exp: inAnHour };
  const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

  function signEd(payload: unknown = fine, header: object = { alg: 'EdDSA' }, key = ed.privateKey) {
    const input = `${encode(header)}.${encode(payload)}`;
    return `${input}.${cryptoSign(null, Buffer.from(input), key).toString('base64url')}`;
  }
  const seconds = (fromNow: number) => Math.floor(Date.now() / 1000) + fromNow;

  test.each([
    ['one audience', fine],
    ['several audiences', { ...fine, aud: ['other', claims.aud] }],
    ['a clock that is a little behind', { ...fine, exp: seconds(-20) }],
    ['a clock that is a little ahead', { ...fine, nbf: seconds(20) }],
  ])('lets in a token with %s', async (_name, payload) => {
    const tokens = createJsonWebTokens(options);
    expect(await tokens.verify(signEd(payload))).toEqual({ name: 'crm', roles: new Set(['map']) });
  });

  test.each<[string, () => string, string]>([
    ['expired', () => signEd({ ...fine, exp: seconds(-40) }), 'expired'],
    ['without expiry', () => signEd(claims), 'invalid'],
    ['with an expiry that is no number', () => signEd({ ...fine, exp: '9999999999' }), 'invalid'],
    ['not valid yet', () => signEd({ ...fine, nbf: seconds(40) }), 'invalid'],
    ['with an nbf that is no number', () => signEd({ ...fine, nbf: '1' }), 'invalid'],
    ['for other audiences', () => signEd({ ...fine, aud: ['x', `${claims.aud}2`] }), 'invalid'],
    ['without audience', () => signEd({ ...fine, aud: undefined }), 'invalid'],
    ['of another issuer', () => signEd({ ...fine, iss: 'https://evil.test' }), 'invalid'],
    ['of issuers in a list', () => signEd({ ...fine, iss: [claims.iss] }), 'invalid'],
    ['whose claims are a list', () => signEd([fine]), 'invalid'],
    ['whose claims are null', () => signEd(null), 'invalid'],
    [
      'signed by another key',
      () => signEd(fine, undefined, generateKeyPairSync('ed25519').privateKey),
      'invalid',
    ],
    ['that calls itself RS256', () => signEd(fine, { alg: 'RS256' }), 'invalid'],
    ['that calls itself eddsa', () => signEd(fine, { alg: 'eddsa' }), 'invalid'],
    [
      'that is critical',
      () => signEd(fine, { alg: 'EdDSA', crit: ['b64'], b64: false }),
      'invalid',
    ],
    ['of RSA', () => sign(), 'invalid'],
    ['of HMAC with the public key', () => forge({ alg: 'HS256' }, fine, edPem), 'invalid'],
    ['called EdDSA, of HMAC', () => forge({ alg: 'EdDSA' }, fine, edPem), 'invalid'],
    ['alg none', () => forge({ alg: 'none' }, fine), 'invalid'],
    ['without signature', () => `${signEd().split('.', 2).join('.')}.`, 'invalid'],
    [
      'with an empty signature of zeros',
      () => signEd().replace(/[^.]+$/, 'A'.repeat(86)),
      'invalid',
    ],
    ['oversized', () => signEd({ ...fine, more: 'x'.repeat(9000) }), 'too_long'],
    [
      'whose payload was exchanged',
      () => signEd().replace(/\.[^.]+\./, `.${encode({ ...fine, roles: ['operate'] })}.`),
      'invalid',
    ],
  ])('refuses a token %s', async (_name, token, refusal) => {
    const tokens = createJsonWebTokens(options);
    await expect(tokens.verify(token())).rejects.toMatchObject({ name: 'TokenRefused', refusal });
  });

  test('takes keys of type OKP from the issuer, each for its own algorithm only', async () => {
    const { state, url } = await startIssuer();
    const x25519 = generateKeyPairSync('x25519');
    state.keys = [
      published('ed', ed),
      published('rsa', rsa),
      published('named', ed, { alg: 'EdDSA' }),
      published('lying', ed, { alg: 'RS256' }),
      published('agreement', x25519),
    ];
    const tokens = createJsonWebTokens({ ...options, key: { keySet: { url } } });
    onTestFinished(() => tokens.stop());
    for (const kid of ['ed', 'named']) {
      expect(await tokens.verify(signEd(fine, { alg: 'EdDSA', kid }))).toMatchObject({
        name: 'crm',
      });
    }
    for (const kid of ['rsa', 'lying', 'agreement']) {
      await expect(tokens.verify(signEd(fine, { alg: 'EdDSA', kid }))).rejects.toMatchObject({
        refusal: 'invalid',
      });
    }
    await expect(tokens.verify(sign(claims, { keyid: 'ed' }))).rejects.toMatchObject({
      refusal: 'invalid',
    });
    const unlisted = createJsonWebTokens({ ...base, key: { keySet: { url } } });
    onTestFinished(() => unlisted.stop());
    await expect(unlisted.verify(signEd(fine, { alg: 'EdDSA', kid: 'ed' }))).rejects.toMatchObject({
      refusal: 'invalid',
    });
  });
});

/** An issuer that publishes keys, counts who asks, and can be broken. */
async function startIssuer() {
  const state = {
    keys: [] as object[],
    asked: 0,
    status: 200,
    body: undefined as string | undefined,
  };
  const server = createServer((_request, response) => {
    state.asked += 1;
    response.statusCode = state.status;
    response.end(state.body ?? JSON.stringify({ keys: state.keys }));
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  return { state, url };
}

const published = (kid: string, pair: { publicKey: KeyObject }, more: object = {}) => ({
  ...pair.publicKey.export({ format: 'jwk' }),
  kid,
  ...more,
});

describe('keys from the issuer', () => {
  const clock = () => {
    let nowMs = 1_000_000;
    return { now: () => nowMs, pass: (ms: number) => (nowMs += ms) };
  };

  async function startTokens(options: Partial<JsonWebTokenOptions> = {}) {
    const issuer = await startIssuer();
    const time = clock();
    const tokens = createJsonWebTokens({
      ...base,
      key: { keySet: { url: issuer.url, now: time.now } },
      ...options,
    });
    onTestFinished(() => tokens.stop());
    const verify = (kid: string | undefined, key = rsa.privateKey) =>
      tokens.verify(sign(claims, kid === undefined ? {} : { keyid: kid }, key));
    return { ...issuer, time, verify };
  }

  test('are fetched once for many tokens', async () => {
    const { state, verify } = await startTokens();
    state.keys = [published('a', rsa)];
    await Promise.all(Array.from({ length: 20 }, () => verify('a')));
    expect(state.asked).toBe(1);
  });

  test('follow a rotation, but not faster than allowed', async () => {
    const { state, verify, time } = await startTokens();
    state.keys = [published('a', rsa)];
    await verify('a');
    state.keys = [published('b', otherRsa)];
    for (let attempt = 0; attempt < 50; attempt += 1) {
      await expect(verify('b', otherRsa.privateKey)).rejects.toMatchObject({
        refusal: 'unknown_key',
      });
    }
    expect(state.asked).toBe(1);
    time.pass(30_000);
    await verify('b', otherRsa.privateKey);
    expect(state.asked).toBe(2);
    await expect(verify('a')).rejects.toMatchObject({ refusal: 'unknown_key' });
  });

  test('are used on while the issuer is away, and renewed when it is back', async () => {
    const { state, verify, time } = await startTokens();
    state.keys = [published('a', rsa)];
    await verify('a');
    state.status = 500;
    time.pass(700_000);
    await verify('a');
    await expect.poll(() => state.asked).toBe(2);
    state.status = 200;
    state.keys = [published('a', rsa), published('b', otherRsa)];
    time.pass(700_000);
    await verify('b', otherRsa.privateKey);
  });

  test('are chosen without a key id only when there is one', async () => {
    const { state, verify, time } = await startTokens();
    state.keys = [published('a', rsa)];
    await verify(undefined);
    state.keys = [published('a', rsa), published('b', otherRsa)];
    time.pass(30_000);
    await expect(verify('zzz')).rejects.toMatchObject({ refusal: 'unknown_key' });
    await expect(verify(undefined)).rejects.toMatchObject({ refusal: 'unknown_key' });
  });

  test('serve only what the issuer made them for', async () => {
    const { state, verify } = await startTokens();
    state.keys = [
      published('enc', rsa, { use: 'enc' }),
      published('other', rsa, { alg: 'RS512' }),
      { kty: 'oct', kid: 'oct', k: Buffer.from(SECRET).toString('base64url') },
      { kty: 'RSA', kid: 'broken', n: 7 },
      null,
      published('good', rsa, { use: 'sig', alg: 'RS256' }),
    ] as object[];
    await expect(verify('enc')).rejects.toMatchObject({ refusal: 'unknown_key' });
    await expect(verify('oct')).rejects.toMatchObject({ refusal: 'unknown_key' });
    await expect(verify('broken')).rejects.toMatchObject({ refusal: 'unknown_key' });
    await expect(verify('other')).rejects.toMatchObject({ refusal: 'invalid' });
    expect(await verify('good')).toMatchObject({ name: 'crm' });
  });

  test.each([
    ['a failure', 500, '{}'],
    ['no JSON', 200, '<html>'],
    ['no keys', 200, '{"keys":7}'],
    ['too much', 200, ' '.repeat(300_000)],
  ])('that are %s: tokens cannot be checked, and that is said', async (_name, status, body) => {
    const { state, url } = await startIssuer();
    Object.assign(state, { status, body });
    const keySet = createKeySet({ url });
    onTestFinished(() => keySet.stop());
    await expect(keySet.find({ alg: 'RS256', kid: 'a' })).rejects.toThrow(/could not be fetched/);
  });

  test('that cannot be had give a 503, not a 401', async () => {
    const registry = createMetricsRegistry();
    const authentication = createAuthentication({
      mode: 'jwt',
      jwt: { ...base, key: { keySet: { url: 'http://127.0.0.1:1/keys', timeoutMs: 500 } } },
      log: createLogger({ level: 'silent' }),
      registry,
    });
    onTestFinished(() => authentication.stop());
    await using app = await startTestServer([echoRoute()], { authentication, registry });
    const answer = await fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: { authorization: `Bearer ${sign(claims, { keyid: 'a' })}` },
    });
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '5']);
    expect(await answer.json()).toMatchObject({ code: 'issuer_unavailable' });
  });
});

describe('keys and tokens side by side', () => {
  test('are told apart, and refused tokens say why in WWW-Authenticate', async () => {
    const registry = createMetricsRegistry();
    const authentication = createAuthentication({
      mode: 'api-key,jwt',
      apiKeys: `crm:map:${'0'.repeat(64)}`,
      jwt: withPublicKey,
      log: createLogger({ level: 'silent' }),
      registry,
    });
    await using app = await startTestServer([echoRoute()], { authentication, registry });
    const post = (token: string) =>
      fetch(`${app.url}/echo`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
        body: '{"name":"x"}',
      });
    expect((await post(sign())).status).toBe(200);
    expect((await post(sign({ ...claims, roles: ['report'] }))).status).toBe(403);
    const expired = await post(sign(claims, { expiresIn: -60 }));
    expect(expired.status).toBe(401);
    expect(expired.headers.get('www-authenticate')).toContain('error="invalid_token"');
    expect(await expired.json()).toMatchObject({ detail: 'The token was not accepted: expired.' });
    expect(await (await post('ib_unknown')).json()).toMatchObject({ code: 'unauthorized' });
    const metrics = await registry.metrics();
    expect(metrics).toContain('bridge_auth_failures_total{reason="token_expired"} 1');
    expect(metrics).toContain('bridge_auth_failures_total{reason="unknown_key"} 1');
  });
});
