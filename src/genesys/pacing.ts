/** What an answer of Genesys says about the budget that all of its callers share. */
export interface BudgetNews {
  /** Requests in this window so far, everybody's. */
  readonly count: number;
  /** Requests that a window allows. */
  readonly allowed: number;
  /** Until the window ends, in milliseconds; whole seconds, rounded in whichever way. */
  readonly resetMs: number;
  /** When its request was sent (epoch, milliseconds): an answer may be late. */
  readonly sentMs: number;
  /** Our own requests that are not answered yet, and may not be counted yet. */
  readonly inFlight: number;
}

export interface Pace {
  readonly perMinute: number;
  /** Nothing may be sent before (epoch, milliseconds): the window has nothing left for us. */
  readonly pauseUntilMs?: number;
}

/**
 * How fast one of several callers of a shared budget may go: what the others leave, and never less
 * than a fair share. Knows nothing of the others but the count that the answers carry.
 */
export interface Pacing {
  /** @returns nothing when the answer is older than what is known. */
  hear(news: BudgetNews, nowMs: number): Pace | undefined;
}

export interface PacingOptions {
  /** At most so many callers share the budget; a fair share is one of so many. */
  readonly sharers: number;
}

/** How far two sights of the end of one window may lie apart: rounding, and slow answers. */
const SAME_WINDOW_MS = 5000;
/** `resetMs` may be rounded up by as much. */
const ROUNDING_MS = 1000;
/** The window may end later than it looks by the way of a request. */
const GRACE_MS = 300;
/** What others use is measured over at least so long, and what it was before fades within so long. */
const SAMPLE_MS = 1000;
const MEMORY_MS = 5000;
const MINUTE_MS = 60_000;

export function createPacing({ sharers }: PacingOptions): Pacing {
  /** The latest sight of its end: who goes on too early is refused. */
  let endsMs = Number.NEGATIVE_INFINITY;
  let highest = 0;
  // What was counted since, and how much of it was ours, tells what the others do.
  let since = { ms: 0, count: 0 };
  let own = 0;
  /** Requests a millisecond; before it is known there is only the fair share. */
  let others = Number.POSITIVE_INFINITY;

  function measureOthers(nowMs: number): void {
    const tookMs = nowMs - since.ms;
    if (tookMs < SAMPLE_MS) return;
    const sample = Math.max(0, highest - since.count - own) / tookMs;
    const weight = Number.isFinite(others) ? 1 - Math.exp(-tookMs / MEMORY_MS) : 1;
    others = weight === 1 ? sample : others + weight * (sample - others);
    since = { ms: nowMs, count: highest };
    own = 0;
  }

  /** Requests a millisecond. */
  const paceOf = (whole: number) => Math.max(whole - others, whole / sharers);

  return {
    hear({ count, allowed, resetMs, sentMs, inFlight }, nowMs) {
      const ends = sentMs + resetMs;
      if (ends < endsMs - SAME_WINDOW_MS) return undefined;
      if (ends > endsMs + SAME_WINDOW_MS) {
        highest = count;
        since = { ms: nowMs, count };
        own = 0;
      } else {
        own += 1;
        highest = Math.max(highest, count);
        measureOthers(nowMs);
      }
      endsMs = Math.max(endsMs, ends);
      // The answer was right when it was given; one more for what overtakes it.
      const unseen =
        sharers === 1 ? 0 : 1 + (Number.isFinite(others) ? others : 0) * (nowMs - sentMs);
      const left = allowed - highest - inFlight - unseen;
      const leftMs = Math.max(endsMs - ROUNDING_MS - nowMs, ROUNDING_MS);
      const pace = left <= 0 ? 0 : paceOf(left / leftMs);
      if (pace * leftMs >= 1) return { perMinute: pace * MINUTE_MS };
      return {
        perMinute: paceOf(allowed / MINUTE_MS) * MINUTE_MS,
        pauseUntilMs: endsMs + GRACE_MS,
      };
    },
  };
}
