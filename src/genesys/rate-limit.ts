import { readInteger } from '../lib/decimal.ts';
import type { TokenBucket } from '../lib/limits/token-bucket.ts';
import { parseRetryAfter } from '../lib/retry.ts';
import { firstHeader, type Received } from './http.ts';

export interface RateLimitOptions {
  readonly bucket: TokenBucket;
  /** However long Genesys says, everybody pauses no longer than this, in milliseconds. */
  readonly maxPauseMs: number;
  readonly now: () => number;
}

/** Keeps the shared token bucket in step with what Genesys says about its limits. */
export interface RateLimit {
  /** Looks at an answer; returns what it asks a refused call to wait, in milliseconds. */
  observe(answer: Pick<Received, 'status' | 'headers'>): number | undefined;
}

/** Between two halvings, and between two steps back up. */
const HALVE_EVERY_MS = 1000;
const GROW_EVERY_MS = 10_000;
const GROWTH = 0.05;

/**
 * Genesys sends `inin-ratelimit-allowed` (requests a minute) with answers and `Retry-After`, else
 * `inin-ratelimit-reset` (seconds), with a 429. A 429 with neither says only that we are too fast:
 * the rate is halved, and grows back by a twentieth of the limit every ten seconds without a 429.
 */
export function createRateLimit({ bucket, maxPauseMs, now }: RateLimitOptions): RateLimit {
  let ceiling = bucket.perMinute;
  let rate = ceiling;
  let changedMs = Number.NEGATIVE_INFINITY;
  const configured = ceiling;

  function change(next: number): void {
    if (next === rate) return;
    rate = next;
    bucket.setPerMinute(rate);
  }

  function follow(allowed: number): void {
    const next = Math.min(configured, allowed);
    if (next === ceiling) return;
    const slowed = rate < ceiling;
    ceiling = next;
    change(slowed ? Math.min(rate, ceiling) : ceiling);
  }

  return {
    observe({ status, headers }) {
      const allowed = readInteger(firstHeader(headers, 'inin-ratelimit-allowed') ?? '') ?? 0;
      if (allowed >= 1) follow(allowed);

      if (status === 429) {
        const waitMs =
          parseRetryAfter(firstHeader(headers, 'retry-after'), now()) ??
          parseRetryAfter(firstHeader(headers, 'inin-ratelimit-reset'), now());
        if (waitMs !== undefined) {
          bucket.pauseUntil(now() + Math.min(waitMs, maxPauseMs));
        } else if (now() - changedMs >= HALVE_EVERY_MS) {
          changedMs = now();
          change(Math.max(1, Math.floor(rate / 2)));
        }
        return waitMs;
      }
      if (rate < ceiling && now() - changedMs >= GROW_EVERY_MS) {
        changedMs = now();
        change(Math.min(ceiling, rate + Math.max(1, Math.floor(ceiling * GROWTH))));
      }
      return status >= 500
        ? parseRetryAfter(firstHeader(headers, 'retry-after'), now())
        : undefined;
    },
  };
}
