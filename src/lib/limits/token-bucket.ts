import { abortable } from '../abortable.ts';
import { sleep as realSleep, type Sleep } from '../retry.ts';

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
  // In whole microseconds: fractions would add up to one turn too many now and then.
  let interval = 0;
  let tolerance = 0;
  let nextSlot = 0;
  let pausedUntil = 0;
  // Turns are given when they come, not when they are asked for: a caller that leaves costs
  // nobody a turn, and a pause or a new limit holds for all who wait. Sets keep their order.
  const waiting = new Set<PromiseWithResolvers<void>>();
  let server: AbortController | undefined;

  function applyRate(rate: number): void {
    if (Number.isNaN(rate)) return;
    perMinute = Math.max(1, Math.min(options.perMinute, rate));
    const wanted = options.burst ?? Math.ceil(perMinute / 60);
    const burst = Math.max(1, Math.min(wanted, Math.floor(perMinute / 2)));
    // The burst is taken off the steady rate, so that no minute holds more than the limit.
    interval = Math.ceil(60_000_000 / Math.max(1, perMinute - burst + 1));
    tolerance = (burst - 1) * interval;
  }
  applyRate(perMinute);

  /** Takes a turn when there is one now; else says how long it is until the next, in milliseconds. */
  function tryTurn(): number {
    const at = Math.floor(now() * 1000);
    const wait = Math.max(nextSlot - tolerance, pausedUntil) - at;
    if (wait <= 0) nextSlot = Math.max(nextSlot, at) + interval;
    return wait / 1000;
  }

  async function serve(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      const [first] = waiting;
      if (first === undefined) break;
      const waitMs = tryTurn();
      if (waitMs > 0) {
        await sleep(waitMs, stop);
      } else {
        waiting.delete(first);
        first.resolve();
      }
    }
    if (!stop.aborted) server = undefined;
  }

  return {
    async take(signal) {
      signal?.throwIfAborted();
      if (waiting.size === 0 && tryTurn() <= 0) return;
      const turn = Promise.withResolvers<void>();
      waiting.add(turn);
      if (server === undefined) {
        server = new AbortController();
        serve(server.signal).catch(() => undefined);
      }
      try {
        await abortable(turn.promise, signal);
      } catch (error) {
        waiting.delete(turn);
        if (waiting.size === 0) {
          server?.abort();
          server = undefined;
        }
        throw error;
      }
    },
    pauseUntil(untilMs) {
      pausedUntil = Math.max(pausedUntil, Math.ceil(untilMs * 1000));
      nextSlot = Math.max(nextSlot, pausedUntil);
    },
    setPerMinute: applyRate,
    get perMinute() {
      return perMinute;
    },
  };
}
