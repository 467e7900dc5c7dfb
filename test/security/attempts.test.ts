// Every way in that we could think of, tried on every operation of the whole service.
import {
  createHash,
  createHmac,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Pool } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendRaw } from '../http/support/raw-http.ts';
import { startAppWithSandbox, type TestApp } from '../support/app.ts';

const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const otherRsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const ISSUER = 'https://issuer.test';
const AUDIENCE = 'interaction-bridge';
const ROLES = ['map', 'report', 'simulate', 'operate'];

const newKey = () => `ib_${randomBytes(32).toString('base64url')}`;
const KEY = newKey();
const REVOKED = newKey();
const ROLELESS = newKey();
const entry = (name: string, roles: string, key: string) =>
  `${name}:${roles}:${createHash('sha256').update(key).digest('hex')}`;

const now = Math.floor(Date.now() / 1000);
const claims = { iss: ISSUER, aud: AUDIENCE, sub: 'crm', roles: ROLES, exp: now + 3600 };
const encode = (part: unknown) => Buffer.from(JSON.stringify(part)).toString('base64url');

/** A token of any shape: `seal` makes its signature. */
function token(header: object, payload: unknown, seal: (input: string) => string): string {
  const input = `${encode(header)}.${encode(payload)}`;
  return `${input}.${seal(input)}`;
}
const byRsa = (payload: unknown, header: object = {}, key: KeyObject = rsa.privateKey) =>
  token({ alg: 'RS256', kid: 'rsa', ...header }, payload, (input) =>
    sign('sha256', Buffer.from(input), key).toString('base64url'),
  );
const byEd = (payload: unknown, header: object = {}) =>
  token({ alg: 'EdDSA', kid: 'ed', ...header }, payload, (input) =>
    sign(null, Buffer.from(input), ed.privateKey).toString('base64url'),
  );
const byHmac = (secret: string | Buffer, header: object = {}) =>
  token({ alg: 'HS256', kid: 'rsa', ...header }, claims, (input) =>
    createHmac('sha256', secret).update(input).digest('base64url'),
  );
const fine = byRsa(claims);
const [header = '', payload = '', signature = ''] = fine.split('.');
const pem = rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString();
const bearer = (value: string) => ({ authorization: `Bearer ${value}` });
const stolen = encode({ ...claims, roles: ROLES, sub: 'root' });

type Headers = Readonly<Record<string, string | string[]>>;

const refused: readonly (readonly [what: string, status: number, headers: Headers])[] = [
  ['no key', 401, {}],
  ['an empty key', 401, { 'x-api-key': '' }],
  ['a wrong key', 401, { 'x-api-key': newKey() }],
  ['a key with one more character', 401, { 'x-api-key': `${KEY}x` }],
  ['a key in other letters', 401, { 'x-api-key': KEY.toUpperCase() }],
  ["a key's digest", 401, { 'x-api-key': createHash('sha256').update(KEY).digest('hex') }],
  ["a key's name", 401, { 'x-api-key': 'crm' }],
  ['two keys, one of them right', 401, { 'x-api-key': [newKey(), KEY] }],
  ['a wrong key beside a right token', 401, { 'x-api-key': newKey(), ...bearer(fine) }],
  ['a revoked key', 401, { 'x-api-key': REVOKED }],
  ['a key as Basic', 401, { authorization: `Basic ${btoa(`crm:${KEY}`)}` }],
  ['a key without a scheme', 401, { authorization: KEY }],
  ['a key in a cookie', 401, { cookie: `x-api-key=${KEY}` }],
  ['a key without the role', 403, { 'x-api-key': ROLELESS }],
  ['a token without roles', 403, bearer(byRsa({ ...claims, roles: undefined }))],
  ['a token with strange roles', 403, bearer(byRsa({ ...claims, roles: ['admin', 'root', '*'] }))],
  ['a token with roles as an object', 403, bearer(byEd({ ...claims, roles: { operate: true } }))],
  ['an expired token', 401, bearer(byRsa({ ...claims, exp: now - 60 }))],
  ['an expired token (EdDSA)', 401, bearer(byEd({ ...claims, exp: now - 60 }))],
  ['a token without expiry', 401, bearer(byRsa({ ...claims, exp: undefined }))],
  ['a token without expiry (EdDSA)', 401, bearer(byEd({ ...claims, exp: undefined }))],
  ['a token that is not valid yet', 401, bearer(byRsa({ ...claims, nbf: now + 600 }))],
  ['a token for another audience', 401, bearer(byRsa({ ...claims, aud: 'other' }))],
  ['a token for other audiences', 401, bearer(byEd({ ...claims, aud: ['other', `${AUDIENCE}x`] }))],
  ['a token of another issuer', 401, bearer(byRsa({ ...claims, iss: 'https://evil.test' }))],
  ['alg none', 401, bearer(token({ alg: 'none' }, claims, () => ''))],
  ['alg nOnE with a key id', 401, bearer(token({ alg: 'nOnE', kid: 'rsa' }, claims, () => ''))],
  ['alg none with a signature', 401, bearer(byRsa(claims, { alg: 'none' }))],
  ['HS256 with the public key as secret', 401, bearer(byHmac(pem))],
  ['HS256 with the trimmed public key', 401, bearer(byHmac(pem.trim()))],
  [
    'HS256 with the public key as DER',
    401,
    bearer(byHmac(rsa.publicKey.export({ type: 'spki', format: 'der' }))),
  ],
  ['HS256 with an empty secret', 401, bearer(byHmac(''))],
  [
    'HS256 with the raw Ed25519 key',
    401,
    bearer(
      byHmac(Buffer.from(String(ed.publicKey.export({ format: 'jwk' })['x']), 'base64url'), {
        kid: 'ed',
      }),
    ),
  ],
  ['HMAC that calls itself RS256', 401, bearer(byHmac(pem, { alg: 'RS256' }))],
  ['HMAC that calls itself EdDSA', 401, bearer(byHmac(pem, { alg: 'EdDSA', kid: 'ed' }))],
  ['RSA that calls itself EdDSA', 401, bearer(byRsa(claims, { alg: 'EdDSA' }))],
  ['the RSA key used for an Ed25519 id', 401, bearer(byRsa(claims, { kid: 'ed' }))],
  ['the Ed25519 key used for an RSA id', 401, bearer(byEd(claims, { kid: 'rsa' }))],
  ['an algorithm that is not listed', 401, bearer(byRsa(claims, { alg: 'RS512' }))],
  ['an unknown key id', 401, bearer(byRsa(claims, { kid: 'unknown' }))],
  ['no key id where there are several', 401, bearer(byRsa(claims, { kid: undefined }))],
  ['a key id that is a path', 401, bearer(byRsa(claims, { kid: '../../dev/null' }))],
  ['a key id that is inherited', 401, bearer(byRsa(claims, { kid: '__proto__' }))],
  ['a key id that is no text', 401, bearer(byRsa(claims, { kid: { rsa: 1 } }))],
  ['a key of its own in the header', 401, bearer(ownKey())],
  [
    'an address of keys in the header',
    401,
    bearer(byRsa(claims, { jku: 'http://evil.test', kid: 'x' })),
  ],
  ['a critical extension', 401, bearer(byRsa(claims, { crit: ['b64'], b64: false }))],
  ['a signature by another key', 401, bearer(byRsa(claims, {}, otherRsa.privateKey))],
  ["another token's signature", 401, bearer(`${header}.${stolen}.${signature}`)],
  ['no signature', 401, bearer(`${header}.${payload}.`)],
  ['half a signature', 401, bearer(`${header}.${payload}.${signature.slice(0, 100)}`)],
  ['an oversized token', 401, bearer(byRsa({ ...claims, more: 'x'.repeat(9000) }))],
  ['an oversized key', 401, { 'x-api-key': 'x'.repeat(9000) }],
  ['a part twice', 401, bearer(`${header}.${payload}.${payload}.${signature}`)],
  ['a signature twice', 401, bearer(`${fine}.${signature}`)],
  ['a token twice', 401, bearer(`${fine}.${fine}`)],
  ['two tokens in one header', 401, bearer(`${fine}, Bearer ${fine}`)],
  ['two headers, the first wrong', 401, { authorization: ['Bearer a.b.c', `Bearer ${fine}`] }],
  ['only dots', 401, bearer('..')],
  ['garbage parts', 401, bearer('a.b.c')],
  [
    'parts that are no JSON',
    401,
    bearer(`${btoa('{').replace(/=+$/, '')}.${payload}.${signature}`),
  ],
  ['parts that are null', 401, bearer(`${encode(null)}.${encode(null)}.${signature}`)],
  [
    'parts that are deep',
    401,
    bearer(`${Buffer.from('['.repeat(3000)).toString('base64url')}.e30.x`),
  ],
  ['a word behind the token', 401, bearer(`${fine} x`)],
  [
    'who one is, said by oneself',
    401,
    {
      'x-forwarded-user': 'admin',
      'x-forwarded-for': '127.0.0.1',
      'x-real-ip': '127.0.0.1',
      'x-roles': 'operate',
      'x-original-url': '/livez',
      'x-rewrite-url': '/livez',
      'x-http-method-override': 'OPTIONS',
    },
  ],
];

/** A token that brings the key to check it with, RFC 7515 §4.1.3. */
function ownKey(): string {
  const jwk = otherRsa.publicKey.export({ format: 'jwk' });
  return byRsa(claims, { kid: undefined, jwk }, otherRsa.privateKey);
}

interface Operation {
  readonly method: 'GET' | 'POST';
  readonly path: string;
  readonly body: string | undefined;
}

const issuer = createServer((_request, response) => {
  const jwk = (kid: string, pair: { publicKey: KeyObject }) => ({
    ...pair.publicKey.export({ format: 'jwk' }),
    kid,
  });
  response.end(JSON.stringify({ keys: [jwk('rsa', rsa), jwk('ed', ed)] }));
});
const apps: TestApp[] = [];
let operations: Operation[];
let publicOperations: Operation[];
let environment: Readonly<Record<string, string>>;

async function start(more: Readonly<Record<string, string>>) {
  const app = await startAppWithSandbox(
    { conversations: 100 },
    { ...environment, HTTP_RATE_LIMIT_PER_MINUTE: '0', ...more },
  );
  apps.push(app);
  return app;
}

const keys = [entry('crm', ROLES.join('+'), KEY), entry('metrics-only', 'operate', newKey())];

beforeAll(async () => {
  await new Promise<void>((resolve) => {
    issuer.listen(0, '127.0.0.1', resolve);
  });
  environment = {
    AUTH_MODE: 'api-key,jwt',
    API_KEYS: keys.join(','),
    JWT_ISSUER: ISSUER,
    JWT_AUDIENCE: AUDIENCE,
    JWT_ALGORITHMS: 'RS256,EdDSA',
    JWT_JWKS_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/keys`,
  };
});

afterAll(async () => {
  await Promise.all(apps.map((app) => app.stop()));
  issuer.close();
  issuer.closeAllConnections();
});

/** All documented operations, apart: those that ask who calls, and those that do not. */
async function readOperations(app: TestApp) {
  const document = (await (await app.get('/openapi.json')).json()) as {
    paths: Record<string, Record<string, OperationObject>>;
  };
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, { security, requestBody }]) => {
      const example = requestBody?.content['application/json']?.example;
      return {
        method: method.toUpperCase() as 'GET' | 'POST',
        path: path === '/attributes' ? '/attributes?orgId=acme' : path,
        body: example === undefined ? undefined : JSON.stringify(example),
        isOpen: security.length === 0,
      };
    }),
  );
  operations = all.filter(({ isOpen }) => !isOpen);
  publicOperations = all.filter(({ isOpen }) => isOpen);
}

interface OperationObject {
  readonly security: readonly unknown[];
  readonly requestBody?: { readonly content: Record<string, { readonly example?: unknown }> };
}

interface Answered {
  readonly status: number;
  readonly type: string;
  readonly challenge: string;
  readonly body: string;
}

async function call(pool: Pool, operation: Operation, headers: Headers): Promise<Answered> {
  const answer = await pool.request({
    method: operation.method,
    path: operation.path,
    headers: {
      ...(operation.body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    body: operation.body ?? null,
  });
  const { 'content-type': type, 'www-authenticate': challenge } = answer.headers;
  return {
    status: answer.statusCode,
    type: String(type),
    challenge: String(challenge),
    body: await answer.body.text(),
  };
}

const isProblem = ({ status, type, challenge, body }: Answered) =>
  type.startsWith('application/problem+json') &&
  (JSON.parse(body) as { status: unknown }).status === status &&
  /^(?:ApiKey|Bearer) ?/.test(challenge);

describe('the table of attempts', () => {
  test('none gets in, on any operation; the valid ones do', async () => {
    const roleless = entry('nobody', 'report', ROLELESS);
    const revoked = entry('old', ROLES.join('+'), REVOKED);
    // The key that will be revoked opens every door first.
    const before = await start({ API_KEYS: [...keys, revoked].join(',') });
    await readOperations(before);
    expect(operations.length).toBeGreaterThanOrEqual(10);
    expect(publicOperations.map(({ path }) => path).sort()).toEqual([
      '/livez',
      '/openapi.json',
      '/readyz',
      '/version',
    ]);
    const early = new Pool(before.url);
    for (const operation of operations) {
      expect((await call(early, operation, { 'x-api-key': REVOKED })).status).not.toBe(401);
    }
    await early.close();

    const app = await start({
      API_KEYS: [...keys, roleless].join(','),
      AUTH_FAILURES_PER_MINUTE: '1000000',
    });
    await app.ready();
    const pool = new Pool(app.url, { connections: 16 });
    const table: string[] = [];
    const surprises: string[] = [];
    for (const [what, expected, headers] of refused) {
      // The key without a role has one, and what that one may do is its own.
      const tried =
        headers['x-api-key'] === ROLELESS
          ? operations.filter(({ path }) => !/^\/(?:report|attributes)\b/.test(path))
          : operations;
      const answers = await Promise.all(tried.map((operation) => call(pool, operation, headers)));
      const statuses = new Set(answers.map(({ status }) => status));
      table.push(`${what.padEnd(40)} ${tried.length} operations  ${[...statuses].join(' ')}`);
      for (const [index, answer] of answers.entries()) {
        if (answer.status !== expected || !isProblem(answer)) {
          surprises.push(`${what} at ${tried[index]?.path}: ${JSON.stringify(answer)}`);
        }
      }
    }

    const valid: [string, Headers][] = [
      ['a key', { 'x-api-key': KEY }],
      ['a key as ApiKey', { authorization: `ApiKey ${KEY}` }],
      ['a key as Bearer', bearer(KEY)],
      ['a token (RS256)', bearer(fine)],
      ['a token (EdDSA)', bearer(byEd(claims))],
      ['a token for several audiences', bearer(byEd({ ...claims, aud: ['other', AUDIENCE] }))],
    ];
    for (const [what, headers] of valid) {
      const statuses = new Set<number>();
      for (const operation of operations) {
        const answer = await call(pool, operation, headers);
        statuses.add(answer.status);
        if (answer.status !== 200) {
          surprises.push(`${what} at ${operation.path}: ${JSON.stringify(answer)}`);
        }
      }
      table.push(`${what.padEnd(40)} ${operations.length} operations  ${[...statuses].join(' ')}`);
    }
    await pool.close();
    process.stdout.write(`\n${table.join('\n')}\n`);
    expect(surprises).toEqual([]);
  }, 120_000);

  test('no spelling of a request leads around the door', async () => {
    const app = apps.at(-1);
    if (app === undefined) throw new Error('No app was started');
    const port = Number(new URL(app.url).port);
    const raw = (line: string, ...lines: string[]) =>
      sendRaw(
        port,
        `${[line, 'Host: localhost', 'Connection: close', ...lines].join('\r\n')}\r\n\r\n`,
      );
    const attempts: Record<string, Promise<string>> = {};
    for (const path of [
      '/STATUS',
      '/status/',
      '//status',
      '/./status',
      '/livez/../status',
      '/livez/..%2fstatus',
      '/%73tatus',
      '/status%00',
      '/status;x',
      '/status?x-api-key=',
      `/status?access_token=${fine}`,
      `/status?x-api-key=${KEY}`,
      'http://x/status',
      '/docs/../status',
    ]) {
      attempts[path] = raw(`GET ${path} HTTP/1.1`);
    }
    attempts['HEAD'] = raw('HEAD /status HTTP/1.1');
    attempts['HTTP/1.0'] = raw('GET /status HTTP/1.0');
    attempts['TRACE'] = raw('TRACE /status HTTP/1.1');
    attempts['CONNECT'] = raw('CONNECT /status HTTP/1.1');
    attempts['another method'] = raw('POST /status HTTP/1.1', 'Content-Length: 0');
    attempts['upgrade'] = raw('GET /status HTTP/1.1', 'Upgrade: websocket', 'Connection: Upgrade');
    attempts['a line feed in the key'] = raw(
      'GET /status HTTP/1.1',
      `x-api-key: no\nx-api-key: ${KEY}`,
    );
    attempts['a carriage return in the key'] = raw('GET /status HTTP/1.1', `x-api-key: no\r${KEY}`);
    attempts['a zero byte in the key'] = raw('GET /status HTTP/1.1', `x-api-key: ${KEY}\0`);
    attempts['a folded header'] = raw('GET /status HTTP/1.1', 'x-api-key:', ` ${KEY}x`);
    attempts['a space before the colon'] = raw('GET /status HTTP/1.1', `x-api-key : ${KEY}`);
    attempts['two lengths'] = raw(
      'POST /log-level HTTP/1.1',
      'Content-Length: 0',
      'Content-Length: 3',
    );
    attempts['length and chunks'] = raw(
      'POST /log-level HTTP/1.1',
      'Content-Length: 4',
      'Transfer-Encoding: chunked',
    );
    attempts['a key in a trailer'] = raw(
      'POST /log-level HTTP/1.1',
      'Content-Type: application/json',
      'Transfer-Encoding: chunked',
      'Trailer: x-api-key',
      '',
      '11\r\n{"level":"trace"}\r\n0',
      `x-api-key: ${KEY}`,
    );
    attempts['20 kB of headers'] = raw('GET /status HTTP/1.1', `x-api-key: ${'x'.repeat(20_000)}`);
    attempts['a second request behind a refused one'] = raw(
      'POST /status HTTP/1.1',
      'Content-Length: 30',
      '',
      `GET /status HTTP/1.1\r\nx: `,
    );
    const table = await Promise.all(
      Object.entries(attempts).map(async ([what, answer]) => {
        const text = await answer;
        const status = /^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 'closed';
        return { what, status, text };
      }),
    );
    process.stdout.write(
      `\n${table.map(({ what, status }) => `${what.slice(0, 40).padEnd(40)} ${status}`).join('\n')}\n`,
    );
    for (const { what, status, text } of table) {
      expect([what, status]).toEqual([what, expect.stringMatching(/^(?:4\d\d|closed)$/)]);
      expect(text).not.toContain('"pipeline"');
    }
  });
});

test('of 10,000 attempts none gets in; they are limited, counted, and leave nothing behind', async () => {
  const app = await start({ AUTH_FAILURES_PER_MINUTE: '20' });
  const pool = new Pool(app.url, { connections: 16 });
  const statuses = new Map<number, number>();
  const hits = { challenged: 0 };
  let next = 0;
  async function guess(): Promise<void> {
    while (next < 10_000) {
      const attempt = next;
      next += 1;
      const operation = operations[attempt % operations.length];
      if (operation === undefined) return;
      const forged = `${header}.${payload}.guess${attempt}`;
      const headers = attempt % 2 === 0 ? { 'x-api-key': `guess-${attempt}` } : bearer(forged);
      const answer = await call(pool, operation, headers);
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      if (isProblem(answer)) hits.challenged += 1;
    }
  }
  await Promise.all(Array.from({ length: 32 }, guess));
  process.stdout.write(`\n10,000 attempts: ${JSON.stringify([...statuses])}\n`);
  expect(new Set(statuses.keys())).toEqual(new Set([401, 429]));
  expect(hits.challenged).toBe(10_000);
  // The run may last longer than one of the counter's minutes, but not than three.
  expect(statuses.get(401)).toBeLessThanOrEqual(80);

  // A key that is right opens the door all the same, and sees them counted.
  const { body } = await call(
    pool,
    { method: 'GET', path: '/metrics', body: undefined },
    { 'x-api-key': KEY },
  );
  const counted = [...body.matchAll(/^bridge_auth_failures_total\{.*\} (\d+)$/gm)];
  expect(counted.reduce((sum, [, number]) => sum + Number(number), 0)).toBe(10_000);
  const log = JSON.stringify(app.log);
  expect(log).not.toContain('guess-');
  expect(log).not.toContain(payload);
  await pool.close();
}, 120_000);
