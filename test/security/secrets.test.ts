// No secret leaves the process but to whom it is for, and no customer's data gets into the log,
// whatever goes wrong. Runs the whole service through good and bad days and reads all it said.
import { createHash, generateKeyPairSync, randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import jwt from 'jsonwebtoken';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { FaultRule } from '../../src/sandbox/faults.ts';
import { startApp, startAppWithSandbox, type TestApp, until } from '../support/app.ts';

const random = (prefix: string) => prefix + randomBytes(24).toString('base64url');
/** In every value of a record and an event, but not in their ids, which logs may name. */
const MARK = random('customer-');

/** What must never be seen, by what it is. */
const secrets = new Map<string, string>();
const secret = (what: string, value = random('secret-')): string => {
  secrets.set(`${what} ${secrets.size}`, value);
  return value;
};
function secretKey(what: string, pem: string): string {
  for (const line of pem.split('\n').filter((text) => /^[\w+/=]{20,}$/.test(text))) {
    secret(what, line);
  }
  return pem;
}

const API_KEY = secret('API key', random('ib_'));
const WRONG_KEY = secret('unknown API key', random('ib_'));
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const callerToken = (claims: object, expiresIn = 300) =>
  secret(
    "caller's token",
    jwt.sign({ iss: 'https://issuer.test', aud: 'bridge', sub: 'crm', ...claims }, rsa.privateKey, {
      algorithm: 'RS256',
      expiresIn,
    }),
  );
const roles = ['map', 'report', 'simulate', 'operate'];

const callers = {
  LOG_LEVEL: 'trace',
  AUTH_MODE: 'api-key,jwt',
  API_KEYS: `crm:${roles.join('+')}:${createHash('sha256').update(API_KEY).digest('hex')}`,
  JWT_ISSUER: 'https://issuer.test',
  JWT_AUDIENCE: 'bridge',
  JWT_PUBLIC_KEY: rsa.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
  AWS_SECRET_ACCESS_KEY: secret('AWS secret key'),
  SIMULATE_OVERRIDES: 'true',
  GENESYS_MAX_TRIES: '2',
  GENESYS_RETRY_BUDGET_MS: '500',
  EVENT_STREAM_RETRY_MAX_MS: '20',
  PUBLISH_RETRY_BASE_MS: '5',
  PUBLISH_RETRY_MAX_MS: '10',
  PUBLISH_MAX_RETRIES: '1',
  METRICS_INTERVAL_MS: '200',
  REPORT_INTERVAL_MS: '200',
  REPORT_CACHE_TTL_SECONDS: '0',
  PERMISSION_CACHE_TTL_SECONDS: '1',
  SCHEMA_CACHE_TTL_SECONDS: '1',
};

/** Everything that was answered: status line, headers and body. */
const answers: string[] = [];
const logs: TestApp['log'][] = [];

async function ask(
  app: TestApp,
  path: string,
  init: Omit<RequestInit, 'headers'> & { readonly headers?: Record<string, string> } = {},
): Promise<number> {
  const answer = await app.get(path, {
    ...init,
    headers: { 'x-api-key': API_KEY, ...init.headers },
  });
  const headers = JSON.stringify([...answer.headers]);
  answers.push(`${path.split('?', 1).join('')} ${answer.status} ${headers} ${await answer.text()}`);
  return answer.status;
}

const post = (app: TestApp, path: string, body: string | object, type = 'application/json') =>
  ask(app, path, {
    method: 'POST',
    headers: { 'content-type': type },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });

/** Reads along what this process sends to anybody, for the secrets that are made on the way. */
function onHeaders(message: unknown): void {
  const { request } = message as { request: { headers: unknown } };
  const text = [request.headers].flat(3).join(' ');
  for (const [, value = ''] of text.matchAll(/\b(?:Bearer|Basic) ([\w.+/=~-]{16,})/g)) {
    if (![...secrets.values()].includes(value)) secret('credential in a header', value);
  }
}
function onBody(message: unknown): void {
  const text = String((message as { chunk: unknown }).chunk);
  for (const [, value = ''] of text.matchAll(/\bassertion=([\w.-]+)/g)) secret('assertion', value);
}

const WRONG_SECRET = secret('wrong client secret');
const wrongKey = secretKey(
  'wrong private key',
  generateKeyPairSync('ec', { namedCurve: 'P-256' })
    .privateKey.export({ type: 'pkcs8', format: 'pem' })
    .toString(),
);

beforeAll(() => {
  process.env['AWS_SESSION_TOKEN'] = secret('AWS session token');
  subscribe('undici:request:create', onHeaders);
  subscribe('undici:request:bodyChunkSent', onBody);
});
afterAll(() => {
  delete process.env['AWS_SESSION_TOKEN'];
  unsubscribe('undici:request:create', onHeaders);
  unsubscribe('undici:request:bodyChunkSent', onBody);
});

const records = [
  { ticketId: 'T1', priority: 'high', sourceChannel: MARK, customerName: MARK },
  { ticketId: 'T2', priority: MARK },
  { ticketId: 'T3', priority: { [MARK]: MARK }, sourceChannel: [MARK] },
  { priority: MARK },
  MARK,
  null,
];
const event = (id: string, more: object = {}) => ({
  id,
  resourceType: 'interaction',
  eventType: 'created',
  createdTime: new Date().toISOString(),
  payload: {
    type: 'voice',
    priority: 'high',
    routing: { queue: { name: `Priority ${MARK}` } },
    customer: { name: MARK, number: MARK },
    ...more,
  },
});

/** Every route with what it takes and what it does not. */
async function askEverything(app: TestApp): Promise<void> {
  const ndjson = 'application/x-ndjson';
  for (const query of ['', '?mode=strict', '?dryRun=true', '?skipUnchanged=true', `?x=${MARK}`]) {
    await post(app, `/map${query}`, { orgId: 'acme-emea', records });
  }
  await post(app, '/map', { orgId: 'acme-emea', records: records.slice(0, 1) });
  await post(app, '/map', { orgId: `${MARK}/..`, records });
  await post(app, '/map', { orgId: 'acme', records: MARK });
  await post(app, '/map', { orgId: 'acme', records, [MARK]: MARK });
  await post(app, '/map', `{"orgId":"acme","records":[${MARK}]}`);
  await post(app, '/map', `{"orgId":"acme","records":[{"a":"${MARK}`);
  await post(app, '/map', JSON.stringify({ orgId: 'acme', records }), MARK);
  const lines = records.map((record) => JSON.stringify(record)).join('\n');
  await post(app, '/map?orgId=acme', `${lines}\n{"ticketId": ${MARK}}\n`, ndjson);

  for (const path of ['/report', '/report?detail=true', '/report?format=csv', '/report?days=x']) {
    await ask(app, path);
  }
  await ask(app, '/report', { headers: { accept: 'text/event-stream' } });
  await ask(app, '/attributes?orgId=acme-emea');

  await post(app, '/simulate', { priority: MARK, type: MARK, queue: MARK });
  await post(app, '/simulate', { createdTime: MARK });
  await post(app, '/simulate', { event: event('S1', { priority: MARK }) });
  await post(app, '/simulate', { event: MARK });
  await post(app, '/simulate', { events: [event('S2'), { [MARK]: MARK }, MARK] });
  await post(app, '/simulate', `${JSON.stringify(event('S3'))}\n{"${MARK}\n`, ndjson);

  for (const path of ['/livez', '/readyz', '/metrics', '/status', '/version', '/openapi.json']) {
    await ask(app, path);
  }
  await ask(app, '/docs');
  await ask(app, '/dead-letters?limit=10');
  await post(app, '/dead-letters/replay', { dryRun: true });
  await post(app, '/dead-letters/replay', { ids: [MARK] });
  await post(app, `/dead-letters/discard?code=${MARK}`, '');
  await post(app, '/worker/pause', '');
  await post(app, '/worker/resume', '');
  await post(app, '/log-level', { level: MARK });

  for (const headers of [
    { 'x-api-key': WRONG_KEY },
    { 'x-api-key': '', authorization: `Bearer ${callerToken({ roles })}` },
    { 'x-api-key': '', authorization: `Bearer ${callerToken({ roles: ['map'] })}` },
    { 'x-api-key': '', authorization: `Bearer ${callerToken({ roles }, -60)}` },
    { 'x-api-key': '', authorization: `Bearer ${callerToken({ aud: 'other' })}` },
    { 'x-api-key': '', authorization: `Basic ${secret('Basic', btoa(random('user:')))}` },
  ]) {
    await ask(app, '/status', { headers });
    await ask(app, `/status?access_token=${WRONG_KEY}`, { headers });
  }
}

/** Each in a child process, so only once. */
async function tryOverrides(app: TestApp): Promise<void> {
  await post(app, '/simulate', { expression: `{"source": ${MARK}(` });
  await post(app, '/simulate', { expression: `$error("${MARK}")` });
  await post(app, '/simulate', { schema: { type: 'object', required: [MARK] } });
  await post(app, '/simulate', { filter: { any: [{ path: MARK, [MARK]: 1 }] } });
}

/** Events of all kinds come in, the stream breaks in all ways, and what is left settles. */
async function streamEvents(
  app: TestApp & { sandbox: Awaited<ReturnType<typeof startAppWithSandbox>>['sandbox'] },
) {
  const { sandbox } = app;
  sandbox.emit([
    event('E1'),
    event('E2', { type: { [MARK]: MARK } }),
    { ...event('E3'), createdTime: MARK },
    { ...event('E4'), id: undefined },
    { ...event('E5'), payload: MARK },
    `not JSON ${MARK}`,
    `{"id":"E6","payload":"${MARK}`,
    `[${MARK}]`,
    `"${MARK}"`,
  ]);
  const kinds = ['garbage', 'long-line', 'cut-line', 'cut-character', 'end'] as const;
  for (const [index, kind] of kinds.entries()) {
    const opened = sandbox.requests.count('genesys.stream');
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind }, times: 1 });
    sandbox.emit([event(`F${index}`)]);
    if (index > 1) {
      await until(
        () => sandbox.requests.count('genesys.stream') > opened,
        `a stream after ${kind}`,
      );
    }
  }
  for (const status of [401, 403, 404, 429, 500]) {
    const hits = sandbox.requests.count('genesys.stream', status);
    sandbox.faults.add({ target: 'genesys.stream', status, times: 1, retryAfter: '0' });
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'end' }, times: 1 });
    sandbox.emit([event(`G${status}`)]);
    await until(() => sandbox.requests.count('genesys.stream', status) > hits, `a ${status}`);
  }
}

const badDays: readonly FaultRule[] = [
  { target: 'genesys', status: 401 },
  { target: 'genesys.customattributes', status: 403 },
  { target: 'genesys', status: 429, retryAfter: '0' },
  { target: 'genesys', status: 500 },
  { target: 'genesys', html: true },
  { target: 'genesys.customattributes.batch', status: 400, message: `${MARK} is not allowed` },
  {
    target: 'genesys.customattributes.batch',
    entryFailures: { rate: 1, code: 'invalid', message: `${MARK} is not allowed` },
  },
  { target: 'genesys.customattributes.batch', body: `{"results":"${MARK}"}` },
  { target: 'aws', status: 403, code: 'AccessDeniedException', message: 'not authorized' },
  { target: 'aws.events', status: 400, code: 'ValidationException', message: `${MARK} is wrong` },
  {
    target: 'aws.events.PutEvents',
    entryFailures: { rate: 1, code: 'MalformedDetail', message: 'Detail is malformed.' },
  },
  { target: 'aws.sqs', status: 500 },
];

/**
 * Answers every call with all that it was sent, in the words of both kinds of error body;
 * `grants`: calls for a token get one.
 */
async function startEcho(status: number, grants: boolean) {
  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request);
    const isTokenCall = request.url === '/oauth/token';
    const said = `${request.headers.authorization ?? ''} ${isTokenCall ? decodeURIComponent(body) : ''}`;
    const token = secret('token of a strange answer');
    const ended = isTokenCall && grants ? 200 : status;
    response.writeHead(ended, { 'content-type': 'application/json' });
    response.end(
      ended === 200
        ? `{"access_token":"${token}","expires_in":${grants ? '3600}' : `"${said}"`}`
        : JSON.stringify({
            error: 'invalid_grant',
            error_description: said,
            message: said,
            code: said,
          }),
    );
  }
  const server = createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop() {
      server.close();
      server.closeAllConnections();
    },
  };
}

test('a whole day, good and bad, leaves no secret and no customer data behind', async () => {
  const app = await startAppWithSandbox({ traffic: 20, conversations: 500 }, callers);
  logs.push(app.log);
  const { environment } = app.sandbox;
  secret('client secret', environment['GENESYS_CLIENT_SECRET'] ?? '');
  secretKey('private key', environment['OAUTH_PRIVATE_KEY'] ?? '');
  try {
    await app.ready();
    await askEverything(app);
    await tryOverrides(app);
    await streamEvents(app);
    for (const fault of badDays) {
      app.sandbox.faults.add(fault);
      app.sandbox.emit([event(`H${badDays.indexOf(fault)}`)]);
      await askEverything(app);
      app.sandbox.faults.clear();
    }
    app.sandbox.tokens.revokeAll();
    await post(app, '/map', { orgId: 'acme-emea', records });
  } finally {
    await app.stop();
  }
  expect(app.sandbox.tokens.issued()).toBeGreaterThan(2);
  expect(app.log.length).toBeGreaterThan(300);
}, 120_000);

test.each<[string, Readonly<Record<string, string>>, string]>([
  ['a wrong client secret', { GENESYS_CLIENT_SECRET: WRONG_SECRET }, 'GENESYS_CLIENT_SECRET'],
  ['a wrong private key', { OAUTH_PRIVATE_KEY: wrongKey }, 'OAUTH_PRIVATE_KEY'],
])(
  '%s is named, not shown',
  async (_name, environment, setting) => {
    const app = await startAppWithSandbox({}, { ...callers, ...environment });
    logs.push(app.log);
    try {
      await until(() => JSON.stringify(app.log).includes(`check ${setting}`), 'a word about it');
      await askEverything(app);
    } finally {
      await app.stop();
    }
  },
  60_000,
);

test.each([
  [400, false],
  [401, false],
  [500, false],
  [200, false],
  [400, true],
  [401, true],
  [403, true],
  [500, true],
])(
  'a Genesys that answers %i with all that it was sent (and grants tokens: %s)',
  async (status, grants) => {
    const echo = await startEcho(status, grants);
    const sandbox = await startAppWithSandbox({}, { WORKER_ENABLED: 'false' });
    const app = await startApp({
      ...sandbox.sandbox.environment,
      ...callers,
      GENESYS_BASE_URL: echo.url,
      GENESYS_CLIENT_SECRET: secret('client secret'),
    });
    logs.push(app.log);
    try {
      await askEverything(app);
    } finally {
      await app.stop();
      await sandbox.stop();
      echo.stop();
    }
  },
  60_000,
);

test('what a broken configuration is told about itself shows no secret either', async () => {
  const app = await startAppWithSandbox({}, { WORKER_ENABLED: 'false' });
  await app.stop();
  const broken = {
    ...app.sandbox.environment,
    ...callers,
    OAUTH_PRIVATE_KEY: secret('mangled key', wrongKey.replaceAll('\n', '').slice(40)),
    API_KEYS: secret('API key where its digest belongs', random('ib_')),
    GENESYS_CLIENT_SECRET: secret('client secret'),
    PORT: 'x',
  };
  const error: unknown = await startApp(broken).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Error);
  answers.push(error instanceof Error ? `${error.message} ${error.stack}` : String(error));
});

test('nothing of all this is in a log line, an answer or a metric', () => {
  const lines = logs.flat();
  const texts = [...lines.map((line) => JSON.stringify(line)), ...answers];
  // The search would find something: there was something to find, and it is looked for.
  const kinds = new Set(Array.from(secrets.keys(), (what) => what.replace(/ \d+$/, '')));
  expect([...kinds]).toEqual(expect.arrayContaining(['assertion', 'credential in a header']));
  expect(texts.some((said) => said.includes(MARK))).toBe(true);
  expect(texts.some((said) => said.includes('[hidden]'))).toBe(true);

  const found: string[] = [];
  for (const [what, value] of secrets) {
    for (const said of texts) {
      const at = said.indexOf(value);
      if (at >= 0) found.push(`${what}: …${said.slice(Math.max(0, at - 150), at + 20)}…`);
    }
  }
  for (const line of lines) {
    const said = JSON.stringify(line);
    const at = said.indexOf(MARK);
    if (at < 0 || /^(?:trace|debug)$/.test(String(line['level']))) continue;
    found.push(`customer data: ${said.slice(Math.max(0, at - 300), at + 80)}`);
  }
  process.stdout.write(
    `\nLooked for ${secrets.size} secrets in ${lines.length} log lines and ${answers.length} answers\n`,
  );
  expect([...new Set(found)].slice(0, 40)).toEqual([]);
});
