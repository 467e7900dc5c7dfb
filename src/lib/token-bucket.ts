import { sleep as realSleep, type Sleep } from './retry.ts';

export interface TokenBucketOptions {
  /** Never more than this many takes in any 60 seconds. */
  readonly perMinute: number;
  /** How many may go at once after a quiet time. Default: one second's worth. */
  readonly burst?: number;
  readonly now?: () => number;
  readonly sleep?: Sleep;
}

/** A rate limit shared by all callers of one remote API; first come, first served. */
export interface TokenBucket {
  /** Waits for a turn. Rejects with the signal's reason when it aborts first. */
  take(signal?: AbortSignal): Promise<void>;
  /** Nobody's turn comes before `untilMs` (epoch, milliseconds): the server said `Retry-After`. */
  pauseUntil(untilMs: number): void;
  /** The server told its real limit: follow it while it is below the configured one. */
  setPerMinute(perMinute: number): void;
  readonly perMinute: number;
}

export function createTokenBucket(options: TokenBucketOptions): TokenBucket {
  const now = options.now ?? Date.now;
  const sleep = options.sleep ?? realSleep;
  let perMinute = options.perMinute;
  let intervalMs = 0;
  let toleranceMs = 0;
  let nextSlotMs = 0;
  let pausedUntilMs = 0;

  function applyRate(rate: number): void {
    perMinute = Math.max(1, Math.min(options.perMinute, rate));
    const burst = Math.max(1, Math.min(options.burst ?? Math.ceil(perMinute / 60), perMinute / 2));
    // The burst is taken off the steady rate, so that no minute holds more than the limit.
    intervalMs = 60_000 / Math.max(1, perMinute - burst + 1);
    toleranceMs = (burst - 1) * intervalMs;
  }
  applyRate(perMinute);

  return {
    async take(signal) {
      signal?.throwIfAborted();
      const slotMs = Math.max(nextSlotMs, now());
      nextSlotMs = slotMs + intervalMs;
      for (;;) {
        const waitMs = Math.max(slotMs - toleranceMs, pausedUntilMs) - now();
        if (waitMs <= 0) return;
        await sleep(waitMs, signal);
      }
    },
    pauseUntil(untilMs) {
      if (untilMs <= pausedUntilMs) return;
      pausedUntilMs = untilMs;
      // What waited for the pause to end must not leave all at once.
      nextSlotMs = Math.max(nextSlotMs, untilMs);
    },
    setPerMinute: applyRate,
    get perMinute() {
      return perMinute;
    },
  };
}
