export interface TokenBucketOptions {
  /** Never more than this many takes in any 60 seconds. */
  readonly perMinute: number;
  /** How many may go at once after a quiet time. Default: one second's worth. */
  readonly burst?: number;
  readonly now?: () => number;
}

/** A rate limit shared by all callers of one remote API. */
export interface TokenBucket {
  /** Takes a turn and returns 0; when there is none, how long it is until the next, in milliseconds. */
  tryTake(): number;
  /** Nobody's turn comes before `untilMs` (epoch, milliseconds): the server said `Retry-After`. */
  pauseUntil(untilMs: number): void;
  /** The server told its real limit: follow it while it is below the configured one. */
  setPerMinute(perMinute: number): void;
  readonly perMinute: number;
}

export function createTokenBucket(options: TokenBucketOptions): TokenBucket {
  const now = options.now ?? Date.now;
  const nowMicros = () => Math.floor(now() * 1000);
  // The own limit holds whatever the server says from one moment to the next.
  const steady = createMeter(options.perMinute, options.burst);
  const followed = createMeter(options.perMinute, options.burst);
  let pausedUntil = 0;

  return {
    tryTake() {
      const at = nowMicros();
      const wait = Math.max(steady.nextAt, followed.nextAt, pausedUntil) - at;
      if (wait > 0) return wait / 1000;
      steady.take(at);
      followed.take(at);
      return 0;
    },
    pauseUntil(untilMs) {
      pausedUntil = Math.max(pausedUntil, Math.ceil(untilMs * 1000));
      // Not all at once afterwards.
      steady.skipTo(pausedUntil);
      followed.skipTo(pausedUntil);
    },
    setPerMinute(rate) {
      if (Number.isNaN(rate)) return;
      followed.setRate(Math.max(1, Math.min(options.perMinute, rate)), nowMicros());
    },
    get perMinute() {
      return followed.perMinute;
    },
  };
}

/**
 * Turns at a steady rate, and some of them ahead after a quiet time (GCRA). In whole microseconds:
 * fractions would add up to one turn too many now and then.
 */
function createMeter(perMinute: number, maxBurst: number | undefined) {
  let rate = perMinute;
  let interval = 0;
  let tolerance = 0;
  let slot = 0;

  function applyRate(): void {
    const wanted = maxBurst ?? Math.ceil(rate / 60);
    const burst = Math.max(1, Math.min(wanted, Math.floor(rate / 2)));
    // The burst is taken off the steady rate, so that no minute holds more than the limit.
    interval = Math.ceil(60_000_000 / Math.max(1, rate - burst + 1));
    tolerance = (burst - 1) * interval;
  }
  applyRate();

  return {
    get perMinute() {
      return rate;
    },
    get nextAt() {
      return slot - tolerance;
    },
    take(at: number) {
      slot = Math.max(slot, at) + interval;
    },
    skipTo(until: number) {
      slot = Math.max(slot, until);
    },
    setRate(next: number, at: number) {
      rate = next;
      applyRate();
      // Nobody waits for longer than the new rate asks.
      slot = Math.min(slot, at + tolerance + interval);
    },
  };
}
