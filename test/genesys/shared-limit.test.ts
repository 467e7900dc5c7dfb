import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTokenBucket } from '../../src/lib/limits/token-bucket.ts';
import { sandboxOf } from '../support/report-under-test.ts';
import { anyCall, genesysClient, tokenCache } from './client-under-test.ts';

/** So much faster than the clock on the wall. */
const SPEED = 8;
const WINDOWS = 2;
const PER_WINDOW = 300;
const SHARERS = 4;
const AT_ONCE = 8;
/** For the first answer, from which on the windows count. */
const START_MS = 10_000;

const startedMs = performance.now();
const now = () => 1_800_000_000_000 + (performance.now() - startedMs) * SPEED;
const sleep = (ms: number): Promise<void> => delay(ms / SPEED);

test('four clients share the limit of Genesys without a word to each other', async () => {
  const sandbox = await sandboxOf({
    rateLimitPerMinute: PER_WINDOW,
    rateLimitWindowMs: 60_000 / SPEED,
    rateLimitSecondMs: 1000 / SPEED,
  });
  const environment = sandbox.environment;
  const baseUrl = environment['GENESYS_BASE_URL'] ?? '';
  const clientCredentials = {
    clientId: environment['GENESYS_CLIENT_ID'] ?? '',
    clientSecret: environment['GENESYS_CLIENT_SECRET'] ?? '',
  };
  let refused = 0;
  const acceptedAtMs: number[] = [];
  const stop = now() + WINDOWS * 60_000 + START_MS;
  const stallsMs = await Promise.all(
    Array.from({ length: SHARERS }, async () => {
      const { client } = genesysClient(baseUrl, {
        tokens: tokenCache(baseUrl, { clientCredentials }),
        bucket: createTokenBucket({ perMinute: 6000, now }),
        sharers: SHARERS,
        retry: { maxTries: 5, baseMs: 500, capMs: 30_000, budgetMs: 120_000 },
        now,
        sleep,
      });
      let stalledMs = 0;
      let lastMs = now();
      async function greedy(): Promise<void> {
        while (now() < stop) {
          const path = '/api/v2/groups/acme';
          const answer = await client.call(
            anyCall({ path, scope: 'groups:read', alsoFine: [404] }),
          );
          stalledMs = Math.max(stalledMs, now() - lastMs);
          lastMs = now();
          refused += answer.throttled;
          acceptedAtMs.push(lastMs);
        }
      }
      await Promise.all(Array.from({ length: AT_ONCE }, greedy));
      return stalledMs;
    }),
  );
  const end = Math.min(...acceptedAtMs) + WINDOWS * 60_000;
  const inTime = acceptedAtMs.filter((atMs) => atMs < end).length;
  const used = inTime / (PER_WINDOW * WINDOWS);
  // A busy machine is late SPEED times as much on this clock; the simulation holds the exact bounds.
  expect(refused / inTime).toBeLessThan(0.05);
  expect(used).toBeGreaterThanOrEqual(0.8);
  expect(Math.max(...stallsMs)).toBeLessThan(20_000);
}, 60_000);
