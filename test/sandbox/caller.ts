import { randomUUID } from 'node:crypto';
import jwt from 'jsonwebtoken';
import { expect, onTestFinished, vi } from 'vitest';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';

/** Matches any text. */
export const TEXT: unknown = expect.any(String);

/** Everything is over when the test is. */
export async function sandboxWith(options: SandboxOptions = {}): Promise<Sandbox> {
  const sandbox = await startSandbox(options);
  onTestFinished(() => sandbox.stop());
  return sandbox;
}

/** An answer as far as a test wants to know. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Record<string, unknown>;
}

export async function send(url: string, init?: RequestInit): Promise<Answer> {
  const response = await fetch(url, init);
  const text = await response.text();
  const body = (text === '' ? {} : JSON.parse(text)) as Record<string, unknown>;
  return { status: response.status, headers: response.headers, body };
}

export function requestToken(sandbox: Sandbox, form: Record<string, string>, headers = {}) {
  return send(`${sandbox.url}/oauth/token`, {
    method: 'POST',
    headers,
    body: new URLSearchParams(form),
  });
}

export function basic(sandbox: Sandbox, secret = sandbox.environment['GENESYS_CLIENT_SECRET']) {
  const pair = `${sandbox.environment['GENESYS_CLIENT_ID']}:${secret}`;
  return { authorization: `Basic ${Buffer.from(pair).toString('base64')}` };
}

export async function accessToken(sandbox: Sandbox): Promise<string> {
  const { body } = await requestToken(
    sandbox,
    { grant_type: 'client_credentials' },
    basic(sandbox),
  );
  return String(body['access_token']);
}

export interface AssertionChanges {
  readonly claims?: Record<string, unknown>;
  readonly key?: string;
  readonly algorithm?: jwt.Algorithm;
}

export function requestTokenByAssertion(sandbox: Sandbox, changes: AssertionChanges = {}) {
  const { environment } = sandbox;
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: environment['OAUTH_CLIENT_ID'],
    sub: environment['OAUTH_SUBJECT'],
    aud: `${sandbox.url}/oauth/token`,
    iat: now,
    exp: now + 300,
    jti: randomUUID(),
    ...changes.claims,
  };
  const assertion = jwt.sign(claims, changes.key ?? environment['OAUTH_PRIVATE_KEY'] ?? '', {
    algorithm: changes.algorithm ?? 'ES256',
  });
  return requestToken(sandbox, {
    grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
    client_id: environment['OAUTH_CLIENT_ID'] ?? '',
    assertion,
  });
}

/** Calls Genesys with a token of its own. */
export async function createCaller(sandbox: Sandbox) {
  const authorization = `Bearer ${await accessToken(sandbox)}`;
  return {
    headers: { authorization },
    get: (path: string) => send(sandbox.url + path, { headers: { authorization } }),
    post: (path: string, body: unknown) =>
      send(sandbox.url + path, {
        method: 'POST',
        headers: { authorization, 'content-type': 'application/json' },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
  };
}

export const BATCH = '/api/v2/customattributes/batch';
export const DEFINITIONS = '/api/v2/customattributes';
export const QUERY = '/api/v2/analytics/conversations/details/query';
export const SUBSCRIPTIONS = '/api/v2/events/subscriptions';
export const SUBSCRIPTION = {
  id: 'sub-1',
  name: 'high-priority-interactions',
  resourceTypes: ['interaction'],
  eventTypes: ['created', 'updated'],
};

/** Reads a stream into memory; `error` is how it ended, if it did. */
export interface Reader {
  readonly status: number;
  bytes(): Buffer;
  /** Complete lines, blank ones left out. */
  lines(): string[];
  /** How many chunks came. */
  chunks(): number;
  ended(): 'open' | 'end' | 'broken';
  close(): void;
}

export async function readStream(sandbox: Sandbox, id = SUBSCRIPTION.id): Promise<Reader> {
  const stopper = new AbortController();
  onTestFinished(() => stopper.abort());
  const { headers } = await createCaller(sandbox);
  const response = await fetch(`${sandbox.url}${SUBSCRIPTIONS}/${id}/events`, {
    headers,
    signal: stopper.signal,
  });
  const chunks: Uint8Array[] = [];
  let ended: 'open' | 'end' | 'broken' = 'open';
  void (async () => {
    try {
      const body: AsyncIterable<Uint8Array> | null = response.body;
      for await (const chunk of body ?? []) chunks.push(chunk);
      ended = 'end';
    } catch {
      ended = 'broken';
    }
  })();
  const bytes = (): Buffer => Buffer.concat(chunks);
  return {
    status: response.status,
    bytes,
    lines: () =>
      bytes()
        .toString('utf8')
        .split('\n')
        .slice(0, -1)
        .filter((line) => line !== ''),
    chunks: () => chunks.length,
    ended: () => ended,
    close: () => stopper.abort(),
  };
}

export async function subscribe(sandbox: Sandbox): Promise<void> {
  const caller = await createCaller(sandbox);
  await caller.post(SUBSCRIPTIONS, SUBSCRIPTION);
}

/** An interaction that the default filter lets through. */
export function interaction(id: string): Record<string, unknown> {
  return {
    id,
    resourceType: 'interaction',
    eventType: 'created',
    createdTime: '2026-11-22T10:00:00.000Z',
    payload: { type: 'voice', priority: 'high', routing: { queue: { name: 'Rückrufe' } } },
  };
}

export function until(condition: () => boolean): Promise<void> {
  return vi.waitFor(
    () => {
      if (!condition()) throw new Error('not yet');
    },
    { timeout: 10_000, interval: 5 },
  );
}
