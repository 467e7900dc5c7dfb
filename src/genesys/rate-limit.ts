import { readInteger } from '../lib/decimal.ts';
import type { TokenBucket } from '../lib/limits/token-bucket.ts';
import { parseRetryAfter } from '../lib/retry.ts';
import { firstHeader, type Received } from './http.ts';
import { type BudgetNews, createPacing } from './pacing.ts';

export interface RateLimitOptions {
  readonly bucket: Pick<TokenBucket, 'perMinute' | 'pauseUntil' | 'setPerMinute'>;
  /** However long Genesys says, everybody pauses no longer than this, in milliseconds. */
  readonly maxPauseMs: number;
  /** At most so many processes share the limit of Genesys. Default 1. */
  readonly sharers?: number | undefined;
  readonly now: () => number;
}

/** Keeps the shared token bucket in step with what Genesys says about its limits. */
export interface RateLimit {
  /**
   * Looks at an answer; returns what it asks a refused call to wait, in milliseconds.
   *
   * @param request when it was sent (epoch, milliseconds), and how many others are under way.
   */
  observe(
    answer: Pick<Received, 'status' | 'headers'>,
    request: Pick<BudgetNews, 'sentMs' | 'inFlight'>,
  ): number | undefined;
}

/** What `allowed` is counted in; the header may claim anything. */
const WINDOW_MS = 60_000;
/** Between two halvings, and between two steps back up. */
const HALVE_EVERY_MS = 1000;
const GROW_EVERY_MS = 10_000;
const GROWTH = 0.05;

/**
 * Genesys sends `inin-ratelimit-allowed` (requests a minute), `-count` (of all who share them) and
 * `-reset` (seconds) with answers, and `Retry-After` with a 429. As long as it sends no count, we
 * keep to our share of the limit; then we take what the others leave. A 429 that names no time says
 * only that we are too fast: the rate is halved, and grows back by a twentieth of the limit every ten
 * seconds without a 429.
 */
export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { bucket, maxPauseMs, sharers = 1, now } = options;
  const configured = bucket.perMinute;
  const pacing = createPacing({ sharers });
  let limit = configured;
  let ceiling = limit / sharers;
  let isPaced = false;
  let rate = ceiling;
  let pace = Number.POSITIVE_INFINITY;
  let changedMs = Number.NEGATIVE_INFINITY;
  apply();

  function apply(): void {
    const next = Math.min(rate, pace);
    if (next !== bucket.perMinute) bucket.setPerMinute(next);
  }

  function follow(allowed: number | undefined): void {
    limit = allowed === undefined ? limit : Math.min(configured, allowed);
    const next = isPaced ? limit : limit / sharers;
    if (next === ceiling) return;
    const slowed = rate < ceiling;
    ceiling = next;
    rate = slowed ? Math.min(rate, ceiling) : ceiling;
  }

  function keepPace(
    headers: Received['headers'],
    allowed: number,
    request: Pick<BudgetNews, 'sentMs' | 'inFlight'>,
  ): void {
    const count = integerIn(headers, 'inin-ratelimit-count');
    const resetSeconds = integerIn(headers, 'inin-ratelimit-reset');
    if (count === undefined || resetSeconds === undefined) return;
    isPaced = true;
    const resetMs = Math.min(resetSeconds * 1000, WINDOW_MS);
    const next = pacing.hear({ count, allowed, resetMs, ...request }, now());
    if (next === undefined) return;
    pace = next.perMinute;
    if (next.pauseUntilMs === undefined) return;
    bucket.pauseUntil(Math.min(next.pauseUntilMs, now() + maxPauseMs));
  }

  return {
    observe({ status, headers }, request) {
      const allowed = integerIn(headers, 'inin-ratelimit-allowed') ?? 0;
      if (allowed >= 1) {
        keepPace(headers, allowed, request);
        follow(allowed);
      }
      let waitMs: number | undefined;
      if (status === 429) {
        waitMs =
          parseRetryAfter(firstHeader(headers, 'retry-after'), now()) ??
          parseRetryAfter(firstHeader(headers, 'inin-ratelimit-reset'), now());
        if (waitMs !== undefined) {
          bucket.pauseUntil(now() + Math.min(waitMs, maxPauseMs));
        } else if (now() - changedMs >= HALVE_EVERY_MS) {
          changedMs = now();
          rate = Math.max(1, Math.floor(rate / 2));
        }
      } else if (rate < ceiling && now() - changedMs >= GROW_EVERY_MS) {
        changedMs = now();
        rate = Math.min(ceiling, rate + Math.max(1, Math.floor(ceiling * GROWTH)));
      }
      apply();
      return status >= 500 ? parseRetryAfter(firstHeader(headers, 'retry-after'), now()) : waitMs;
    },
  };
}

function integerIn(headers: Received['headers'], name: string): number | undefined {
  return readInteger(firstHeader(headers, name) ?? '');
}
