import { setTimeout as delay } from 'node:timers/promises';

/** Sleeps `ms` milliseconds; rejects with the signal's reason when it aborts first. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>;

export interface RetryPolicy {
  /** How often the call is made at most, the first time included. */
  readonly maxTries: number;
  /** Upper bound of the first delay, in milliseconds. */
  readonly baseMs: number;
  /** Upper bound of any delay that we choose ourselves, in milliseconds. */
  readonly capMs: number;
  /** No retry starts later than this after the first try, in milliseconds. Default: no bound. */
  readonly budgetMs?: number;
}

export interface RetryFacts {
  /** Failed tries so far, at least 1. */
  readonly failedTries: number;
  /** Time since the first try began, in milliseconds. */
  readonly elapsedMs: number;
  /** What the server asked for; it wins over our own back-off and gets no jitter. */
  readonly retryAfterMs?: number | undefined;
}

/**
 * How long to wait before the next try, in milliseconds; `undefined` means give up.
 * Without the server's word: full jitter, a random delay from 0 to `base × 2^(n-1)`, capped.
 */
export function retryDelayMs(
  policy: RetryPolicy,
  facts: RetryFacts,
  random: () => number = Math.random,
): number | undefined {
  if (facts.failedTries >= policy.maxTries) return undefined;
  const delayMs = facts.retryAfterMs ?? fullJitterMs(policy, facts.failedTries, random);
  if (policy.budgetMs !== undefined && facts.elapsedMs + delayMs > policy.budgetMs)
    return undefined;
  return delayMs;
}

/** Full jitter: a random delay from 0 to the capped exponential bound, in milliseconds. */
export function fullJitterMs(
  policy: Pick<RetryPolicy, 'baseMs' | 'capMs'>,
  failedTries: number,
  random: () => number = Math.random,
): number {
  const bound = policy.baseMs * 2 ** Math.max(0, failedTries - 1);
  return Math.floor(random() * Math.min(policy.capMs, bound));
}

/** Whoever was away is used again this soon after it is back, in milliseconds. */
const PROBE_CAP_MS = 2000;

/**
 * How long to wait before the next look at a service that fails: full jitter, and two seconds at
 * most where it may come back by itself. What only people can mend is looked at less often.
 */
export function probeDelayMs(
  policy: Pick<RetryPolicy, 'baseMs' | 'capMs'>,
  failedTries: number,
  isPassing: boolean,
  random: () => number = Math.random,
): number {
  const capMs = isPassing ? Math.min(policy.capMs, PROBE_CAP_MS) : policy.capMs;
  return fullJitterMs({ ...policy, capMs }, failedTries, random);
}

const HTTP_DATE = /^[a-z]{3,9}, \d{2}[ -][a-z]{3}[ -](?:\d{2}|\d{4}) \d{2}:\d{2}:\d{2} GMT$/i;
const ASCTIME_DATE = /^[a-z]{3} [a-z]{3} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/i;

/**
 * A `Retry-After` header (RFC 9110 §10.2.3: whole seconds or an HTTP date) as milliseconds from
 * `nowMs`; `undefined` when it is absent or makes no sense, so that only its timing is lost.
 */
export function parseRetryAfter(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim();
  if (text === undefined || text === '') return undefined;
  if (/^\d{1,9}(?:\.\d+)?$/.test(text)) return Math.ceil(Number(text) * 1000);
  // Date.parse alone makes a date of almost any words ("soon 12"): check the three forms first.
  if (!HTTP_DATE.test(text) && !ASCTIME_DATE.test(text)) return undefined;
  const at = Date.parse(ASCTIME_DATE.test(text) ? `${text} GMT` : text);
  return Number.isNaN(at) ? undefined : Math.max(0, at - nowMs);
}

/** A longer timer fires at once. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

export const sleep: Sleep = async (ms, signal) => {
  try {
    let leftMs = ms;
    for (; leftMs > LONGEST_TIMER_MS; leftMs -= LONGEST_TIMER_MS) {
      await delay(LONGEST_TIMER_MS, undefined, signal === undefined ? {} : { signal });
    }
    await delay(leftMs, undefined, signal === undefined ? {} : { signal });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  }
};

export interface RetryOptions {
  readonly policy: RetryPolicy;
  readonly signal?: AbortSignal | undefined;
  /** Is the failure worth another try, and did the server say when? Unknown errors are not. */
  readonly classify: (error: unknown) => { retry: boolean; retryAfterMs?: number | undefined };
  readonly onRetry?: (error: unknown, facts: { failedTries: number; delayMs: number }) => void;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
  readonly now?: () => number;
}

/**
 * Runs `operation` until it succeeds, fails for good, or the policy gives up; then throws the
 * last failure as it is. `operation` gets the number of the try, from 1.
 */
export async function retry<T>(
  operation: (tryNumber: number) => Promise<T>,
  options: RetryOptions,
): Promise<T> {
  const now = options.now ?? Date.now;
  const startedMs = now();
  for (let tryNumber = 1; ; tryNumber += 1) {
    options.signal?.throwIfAborted();
    try {
      return await operation(tryNumber);
    } catch (error) {
      options.signal?.throwIfAborted();
      const verdict = options.classify(error);
      if (!verdict.retry) throw error;
      const delayMs = retryDelayMs(
        options.policy,
        {
          failedTries: tryNumber,
          elapsedMs: now() - startedMs,
          retryAfterMs: verdict.retryAfterMs,
        },
        options.random,
      );
      if (delayMs === undefined) throw error;
      options.onRetry?.(error, { failedTries: tryNumber, delayMs });
      await (options.sleep ?? sleep)(delayMs, options.signal);
    }
  }
}
