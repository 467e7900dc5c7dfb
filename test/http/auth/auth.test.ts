import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import {
  type AuthenticationOptions,
  createAuthentication,
} from '../../../src/http/auth/authentication.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const OLD = 'ib_old-key-of-crm';
const NEW = 'ib_new-key-of-crm';
const ANALYST = 'ib_analyst';
const entry = (name: string, roles: string, key: string) =>
  `${name}:${roles}:${createHash('sha256').update(key).digest('hex')}`;
const API_KEYS = [
  entry('crm', 'map', OLD),
  entry('crm', 'map+simulate', NEW),
  entry('analyst', 'report', ANALYST),
].join(', ');

async function startWithKeys(options: Partial<AuthenticationOptions> = {}) {
  const registry = createMetricsRegistry();
  const lines: string[] = [];
  const authentication = createAuthentication({
    mode: 'api-key',
    apiKeys: API_KEYS,
    log: createLogger({ level: 'trace', destination: { write: (line) => void lines.push(line) } }),
    registry,
    ...options,
  });
  const app = await startTestServer([echoRoute()], { authentication, registry });
  const post = (headers: Record<string, string>) =>
    fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: '{"name":"x"}',
    });
  return { app, post, registry, lines, [Symbol.asyncDispose]: () => app[Symbol.asyncDispose]() };
}

describe('API keys', () => {
  test.each([
    ['x-api-key', { 'x-api-key': OLD }],
    ['Authorization: ApiKey', { authorization: `ApiKey ${OLD}` }],
    ['Authorization: Bearer', { authorization: `Bearer ${OLD}` }],
    ['the second one during a rotation', { 'x-api-key': NEW }],
  ])('are taken from %s', async (_name, headers) => {
    await using door = await startWithKeys();
    expect((await door.post(headers)).status).toBe(200);
  });

  test.each<[string, Record<string, string>]>([
    ['no key', {}],
    ['an empty key', { 'x-api-key': '' }],
    ['a wrong key', { 'x-api-key': `${OLD}x` }],
    ['a revoked key', { 'x-api-key': 'ib_revoked' }],
    [
      'the digest instead of the key',
      { 'x-api-key': createHash('sha256').update(OLD).digest('hex') },
    ],
    ['the name', { 'x-api-key': 'crm' }],
    ['a huge key', { 'x-api-key': 'x'.repeat(8000) }],
    ['another scheme', { authorization: `Basic ${Buffer.from(`crm:${OLD}`).toString('base64')}` }],
    ['a scheme without a value', { authorization: 'Bearer' }],
    ['a key in the query only', {}],
  ])('%s does not get in', async (_name, headers) => {
    await using door = await startWithKeys();
    const answer = await door.post(headers);
    expect(answer.status).toBe(401);
    expect(answer.headers.get('www-authenticate')).toMatch(/^ApiKey realm="interaction-bridge"/);
    expect(await answer.json()).toMatchObject({ code: 'unauthorized', status: 401 });
  });

  test.each([
    ['map', 200],
    ['report', 200],
    ['operate', 403],
  ] as const)('a route of two roles is for %s: %i', async (role, status) => {
    const route = echoRoute({ otherRoles: ['report'] });
    await using app = await startTestServer([route], {
      authentication: { schemes: [], authenticate: async () => ({ roles: new Set([role]) }) },
    });
    const answer = await fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"name":"x"}',
    });
    expect(answer.status).toBe(status);
  });

  test('open only the routes of their roles', async () => {
    await using door = await startWithKeys();
    const answer = await door.post({ 'x-api-key': ANALYST });
    expect(answer.status).toBe(403);
    expect(answer.headers.get('www-authenticate')).toContain('scope="map"');
    expect(await answer.json()).toMatchObject({
      code: 'role_missing',
      detail: 'This route needs the role "map"; the caller\'s roles: report.',
    });
    for (const path of ['/metrics', '/status']) {
      expect((await fetch(`${door.app.url}${path}`)).status).toBe(401);
      const asAnalyst = await fetch(`${door.app.url}${path}`, {
        headers: { 'x-api-key': ANALYST },
      });
      expect(asAnalyst.status).toBe(403);
    }
    for (const path of ['/livez', '/readyz', '/version', '/openapi.json', '/docs']) {
      expect((await fetch(`${door.app.url}${path}`)).status).toBe(200);
    }
  });

  test('are checked before the body is read', async () => {
    await using door = await startWithKeys();
    const answer = await fetch(`${door.app.url}/echo`, { method: 'POST', body: 'not json' });
    expect(answer.status).toBe(401);
  });

  test.each([
    ['crm:map+admin:'.concat('0'.repeat(64)), /unknown roles: admin/],
    ['crm:map:1234', /does not end in a SHA-256/],
  ])('are refused at start when an entry makes no sense: %s', (apiKeys, message) => {
    const log = createLogger({ level: 'silent' });
    const registry = createMetricsRegistry();
    expect(() => createAuthentication({ mode: 'api-key', apiKeys, log, registry })).toThrow(
      message,
    );
  });
});

test.each(['api-key', 'jwt', 'api-key,jwt', '', 'api_key'])(
  'a mode of %j without its keys lets nobody in, as it does not start',
  (mode) => {
    const log = createLogger({ level: 'silent' });
    const registry = createMetricsRegistry();
    expect(() => createAuthentication({ mode, log, registry })).toThrow(ConfigError);
  },
);

test('keys that the mode does not ask for open nothing', () => {
  const log = createLogger({ level: 'silent' });
  const registry = createMetricsRegistry();
  expect(() => createAuthentication({ mode: 'jwt', apiKeys: API_KEYS, log, registry })).toThrow(
    ConfigError,
  );
});

test('of 1,000 attempts none gets in; they are limited and counted, and leave no secret behind', async () => {
  await using door = await startWithKeys({ failuresPerMinute: 20 });
  const statuses = new Map<number, number>();
  for (let round = 0; round < 20; round += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, index) =>
        door.post({ 'x-api-key': `guess-${round}-${index}` }),
      ),
    );
    for (const answer of answers) {
      statuses.set(answer.status, (statuses.get(answer.status) ?? 0) + 1);
      await answer.arrayBuffer();
    }
  }
  // The run may last longer than one of the counter's minutes, but not than two.
  expect(new Set(statuses.keys())).toEqual(new Set([401, 429]));
  expect(statuses.get(401)).toBeLessThanOrEqual(60);
  expect(await door.registry.metrics()).toContain(
    'bridge_auth_failures_total{reason="unknown_key"} 1000',
  );
  const refused = await door.post({ 'x-api-key': 'guess' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  // One misconfigured client must not lock out the others behind the same address.
  expect((await door.post({ 'x-api-key': NEW })).status).toBe(200);

  const log = JSON.stringify(door.app.lines) + door.lines.join('');
  expect(log).not.toContain('guess-');
  expect(log).not.toContain(NEW);
  expect(log).toContain('Too many failed attempts');
}, 60_000);

test('without authentication everybody may do everything', async () => {
  const registry = createMetricsRegistry();
  const log = createLogger({ level: 'silent' });
  await using app = await startTestServer([echoRoute()], {
    authentication: createAuthentication({ mode: 'none', log, registry }),
    registry,
  });
  expect((await fetch(`${app.url}/status`)).status).toBe(200);
});
