import { generateKeyPairSync } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import jwt from 'jsonwebtoken';
import { expect, onTestFinished, test } from 'vitest';
import { createAuthentication } from '../../../src/http/auth/authentication.ts';
import { createKeySet } from '../../../src/http/auth/key-set.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const pair = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const document = JSON.stringify({
  keys: [{ ...pair.publicKey.export({ format: 'jwk' }), kid: 'a' }],
});
const header = { alg: 'ES256', kid: 'a' };

/** An issuer that keeps everybody waiting until it is told to answer. */
async function startHangingIssuer() {
  const held: ServerResponse[] = [];
  let hangs = true;
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (hangs) held.push(response);
    else response.end(document);
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`,
    asked: () => asked,
    hang() {
      hangs = true;
    },
    answer() {
      hangs = false;
      for (const response of held.splice(0)) response.end(document);
    },
  };
}

/** A clock of our own for the intervals; what is waited for goes by the real one. */
async function startKeySet(options: { maxWaitMs?: number; timeoutMs?: number } = {}) {
  const issuer = await startHangingIssuer();
  let nowMs = 1_000_000;
  const keySet = createKeySet({ url: issuer.url, now: () => nowMs, ...options });
  onTestFinished(() => keySet.stop());
  return { issuer, keySet, pass: (ms: number) => (nowMs += ms) };
}

/** What has ended by now, with nothing but what is ready already having had its turn. */
async function endedOf(calls: readonly Promise<unknown>[]): Promise<number> {
  let ended = 0;
  for (const call of calls) {
    void call.then(
      () => (ended += 1),
      () => (ended += 1),
    );
  }
  await new Promise((resolve) => setImmediate(resolve));
  return ended;
}

test('a hanging key set keeps few waiting; the others are told at once', async () => {
  const { issuer, keySet } = await startKeySet({ maxWaitMs: 60_000 });
  const calls = Array.from({ length: 500 }, () => keySet.find(header));
  expect(await endedOf(calls)).toBe(450);
  issuer.answer();
  const outcomes = await Promise.allSettled(calls);
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(50);
  expect(issuer.asked()).toBe(1);
});

test('a hanging key set is waited for once, briefly, and its late answer counts', async () => {
  const { issuer, keySet } = await startKeySet({ maxWaitMs: 100, timeoutMs: 60_000 });
  await expect(keySet.find(header)).rejects.toThrow(/could not be fetched/);
  const later = Array.from({ length: 100 }, () => keySet.find(header));
  expect(await endedOf(later)).toBe(100);
  issuer.answer();
  await expect
    .poll(() => keySet.find(header).catch(() => 'none'))
    .toMatchObject({ type: 'public' });
  expect(issuer.asked()).toBe(1);
});

test('after a failure nobody waits, and the next attempts go on behind', async () => {
  const { issuer, keySet, pass } = await startKeySet({ timeoutMs: 100 });
  await expect(keySet.find(header)).rejects.toThrow(/could not be fetched/);
  pass(2000);
  const calls = Array.from({ length: 100 }, () => keySet.find(header));
  expect(await endedOf(calls)).toBe(100);
  await expect.poll(() => issuer.asked()).toBe(2);
  issuer.answer();
  await expect
    .poll(() => {
      pass(2000);
      return keySet.find(header).catch(() => 'none');
    })
    .toMatchObject({ type: 'public' });
});

test('a key set that hangs when it is renewed holds up unknown keys once, known ones never', async () => {
  const { issuer, keySet, pass } = await startKeySet({ maxWaitMs: 100, timeoutMs: 60_000 });
  issuer.answer();
  await keySet.find(header);
  issuer.hang();
  pass(700_000);
  expect(await keySet.find({ ...header, kid: 'b' })).toBe('unknown');
  const unknown = Array.from({ length: 100 }, (_, at) => keySet.find({ ...header, kid: `${at}` }));
  expect(await endedOf(unknown)).toBe(100);
  expect(await keySet.find(header)).toMatchObject({ type: 'public' });
  expect(await keySet.find({ ...header, alg: 'RS256' })).toBe('unfit');
  expect(issuer.asked()).toBe(2);
});

test('why a token was refused is in the log at debug, and nothing of the token', async () => {
  const registry = createMetricsRegistry();
  const lines: Record<string, unknown>[] = [];
  const authentication = createAuthentication({
    mode: 'jwt',
    jwt: {
      issuer: 'https://issuer.test',
      audience: 'interaction-bridge',
      algorithms: ['ES256'],
      key: { publicKey: pair.publicKey.export({ type: 'spki', format: 'pem' }).toString() },
      rolesClaim: 'roles',
    },
    log: createLogger({
      level: 'debug',
      destination: { write: (line) => void lines.push(JSON.parse(line) as never) },
    }),
    registry,
  });
  await using app = await startTestServer([echoRoute()], { authentication, registry });
  const tokenFor = (claims: object) =>
    jwt.sign({ iss: 'https://issuer.test', sub: 'Eve', ...claims }, pair.privateKey, {
      algorithm: 'ES256',
    });
  const aud = 'interaction-bridge';
  const tokens = [
    tokenFor({ aud: 'elsewhere', exp: 9_999_999_999 }),
    tokenFor({ aud, exp: 9_999_999_999, iat: 9_999_999_000 }),
    tokenFor({ aud }),
    tokenFor({ aud, exp: 1 }),
    'not.a.token',
  ];
  for (const token of tokens) {
    const answer = await fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(401);
  }
  const told = lines.filter(({ msg }) => msg === 'Refused a token');
  expect(told.map(({ level, refusal, reason }) => [level, refusal, reason])).toEqual([
    ['debug', 'invalid', 'unexpected "aud" claim value'],
    ['debug', 'invalid', '"iat" lies ahead'],
    ['debug', 'invalid', 'missing required "exp" claim'],
    ['debug', 'expired', '"exp" claim timestamp check failed'],
    ['debug', 'malformed', expect.any(String)],
  ]);
  const text = JSON.stringify(lines);
  expect(text).not.toContain('elsewhere');
  expect(text).not.toContain('Eve');
});
