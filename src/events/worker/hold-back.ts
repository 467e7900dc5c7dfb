import type { Backlog } from '../journal/backlog.ts';

export interface HoldBackOptions {
  readonly supply: Pick<Backlog, 'crowded' | 'whenRoomy'>;
  /** Whether memory empties at the moment; otherwise waiting for room is of no use. */
  readonly isEmptying: () => boolean;
  /** Puts into memory, or on disk only, what was taken last. */
  readonly commit: () => void;
}

/**
 * After each chunk of the stream with so many taken events: the promise of room, or nothing to wait
 * for. Waiting a moment is cheaper than reading events back from the disk.
 */
export type HoldBack = (taken: number, signal: AbortSignal) => Promise<void> | undefined;

/**
 * While memory is full the stream is held back after so many events, at most so many milliseconds:
 * a bus that keeps up is waited for, and with a slow one some 5,000 events a second are still taken.
 */
const HOLD_AFTER_EVENTS = 256;
const HOLD_MS = 50;

export function createHoldBack(options: HoldBackOptions): HoldBack {
  const { supply, isEmptying, commit } = options;
  let takenSince = 0;

  return (taken, signal) => {
    takenSince += taken;
    if (takenSince < HOLD_AFTER_EVENTS || !supply.crowded || !isEmptying()) return undefined;
    takenSince = 0;
    commit();
    return supply.whenRoomy(signal, HOLD_MS);
  };
}
