/**
 * How many calls a second may start. Throttling is a state of the account, not of an entry: so there
 * is one pace for all calls, and none until the bus throttles for the first time.
 */
export interface BusPace {
  /** What is left to wait before the next call may start, in milliseconds. */
  readonly waitMs: number;
  /** Calls a second; `Infinity` while nothing holds them back. */
  readonly callsPerSecond: number;
  started(): void;
  /** The bus took some of a call. */
  accepted(): void;
  throttled(): void;
}

/** Calls that were under way at a cut say nothing about the pace since: cuts are this far apart. */
const CUT_EVERY_MS = 200;
const CUT = 0.7;
/**
 * Never below this many times what the bus takes: where it refuses calls at random, a pace that only
 * goes by refusals falls to nothing. It bounds the refused calls for each one that is taken.
 */
const FLOOR = 2.5;
/** Of calls within a second: too few to tell a pace by. */
const FEW = 10;
/** While nothing is taken at all. The gate closes soon after. */
const LEAST_PER_SECOND = 5;
/** More calls a second, for each one that is taken. */
const STEP = 4;

export function createBusPace(now: () => number = () => performance.now()): BusPace {
  const starts = createRate(now);
  const taken = createRate(now);
  let callsPerSecond = Infinity;
  let cutMs = -Infinity;
  let nextMs = -Infinity;

  return {
    get waitMs() {
      return Math.max(0, nextMs - now());
    },
    get callsPerSecond() {
      return callsPerSecond;
    },
    started() {
      starts.add();
      // What a late timer left unused may be caught up on, for as long as one call takes its turn.
      const turnMs = 1000 / callsPerSecond;
      nextMs = Math.max(nextMs, now() - turnMs) + turnMs;
    },
    accepted() {
      taken.add();
      callsPerSecond += STEP;
    },
    throttled() {
      if (now() - cutMs < CUT_EVERY_MS || starts.count < FEW) return;
      cutMs = now();
      // A pace far above what is asked for would take long to come down.
      const before = Math.min(callsPerSecond, starts.perSecond);
      callsPerSecond = Math.max(CUT * before, FLOOR * taken.perSecond, LEAST_PER_SECOND);
    },
  };
}

const SLICE_MS = 100;
const SLICES = 10;

/** How much happens a second, by the last one; by less where it began within that. */
function createRate(now: () => number) {
  const counts = Array.from({ length: SLICES }, () => 0);
  let last = -Infinity;
  let total = 0;
  let beganMs = 0;

  function forgetOld(): void {
    const slice = Math.floor(now() / SLICE_MS);
    for (let old = Math.max(last + 1, slice - SLICES + 1); old <= slice; old += 1) {
      total -= counts[old % SLICES] ?? 0;
      counts[old % SLICES] = 0;
    }
    last = slice;
  }

  return {
    add() {
      forgetOld();
      if (total === 0) beganMs = now();
      counts[last % SLICES] = (counts[last % SLICES] ?? 0) + 1;
      total += 1;
    },
    get count() {
      forgetOld();
      return total;
    },
    get perSecond() {
      forgetOld();
      const overMs = Math.min(SLICES * SLICE_MS, Math.max(SLICE_MS, now() - beganMs));
      return (total * 1000) / overMs;
    },
  };
}
