import { generateKeyPairSync } from 'node:crypto';
import { onTestFinished } from 'vitest';
import {
  createGenesysClient,
  type GenesysCall,
  type GenesysClientOptions,
} from '../../src/genesys/client.ts';
import { createTokenCache, type TokenCacheOptions } from '../../src/genesys/tokens/token-cache.ts';
import { createTokenBucket } from '../../src/lib/limits/token-bucket.ts';
import { createLogger, type Logger } from '../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../src/lib/metrics.ts';

export const TIMEOUTS = { connectMs: 2000, headersMs: 2000, bodyMs: 2000, tryMs: 5000 };
export const RETRY = { maxTries: 3, baseMs: 2, capMs: 10, budgetMs: 2000 };
export const CLIENT_SECRET = 'correct-horse-battery-staple';
export const CLIENT_CREDENTIALS = { clientId: 'the-client', clientSecret: CLIENT_SECRET };

const p256 = generateKeyPairSync('ec', {
  namedCurve: 'prime256v1',
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
});
export const PUBLIC_KEY = p256.publicKey;
export const JWT_BEARER = {
  clientId: 'bearer-client',
  privateKey: p256.privateKey,
  subject: 'svc@acme.example',
};

export function capturedLog(): { log: Logger; text: () => string } {
  const lines: string[] = [];
  const log = createLogger({
    level: 'trace',
    destination: { write: (line) => void lines.push(line) },
  });
  return { log, text: () => lines.join('') };
}

export function tokenCache(baseUrl: string, options: Partial<TokenCacheOptions> = {}) {
  const tokens = createTokenCache({
    baseUrl,
    ...(options.jwtBearer === undefined ? { clientCredentials: CLIENT_CREDENTIALS } : {}),
    renewalSeconds: 300,
    timeouts: TIMEOUTS,
    retry: RETRY,
    log: capturedLog().log,
    ...options,
  });
  onTestFinished(() => tokens.close());
  return tokens;
}

export function genesysClient(
  baseUrl: string,
  options: Partial<GenesysClientOptions> & { perMinute?: number } = {},
) {
  const { log, text } = capturedLog();
  const registry = createMetricsRegistry();
  const bucket = createTokenBucket({ perMinute: options.perMinute ?? 100_000 });
  const tokens = options.tokens ?? tokenCache(baseUrl, { log });
  const client = createGenesysClient({
    baseUrl,
    tokens,
    bucket,
    timeouts: TIMEOUTS,
    maxConnections: 16,
    retry: RETRY,
    registry,
    log,
    ...options,
  });
  onTestFinished(() => client.close());
  return { client, tokens, bucket, registry, logText: text };
}

/** A call that takes any body. */
export function anyCall(overrides: Partial<GenesysCall<unknown>> = {}): GenesysCall<unknown> {
  return {
    operation: 'test_call',
    method: 'GET',
    path: '/api/v2/things',
    scope: 'customattributes:read',
    urgency: 'read',
    read: (body) => body,
    ...overrides,
  };
}

/** What a promise rejects with. */
export async function failureOf(promise: Promise<unknown>): Promise<unknown> {
  try {
    await promise;
  } catch (error) {
    return error;
  }
  throw new Error('It should have failed');
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
