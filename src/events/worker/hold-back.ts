/** What keeps events in memory, and how full it is. */
export interface EventMemory {
  /** Nearly full, or some of what was taken is on disk only. */
  readonly crowded: boolean;
  /** Resolves when half of it is free and nothing is on disk only, or after `timeoutMs`. */
  whenRoomy(signal: AbortSignal, timeoutMs: number): Promise<void>;
}

export interface HoldBackOptions {
  readonly memory: EventMemory;
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
  const { memory, isEmptying, commit } = options;
  let takenSince = 0;

  return (taken, signal) => {
    takenSince += taken;
    if (takenSince < HOLD_AFTER_EVENTS || !memory.crowded || !isEmptying()) return undefined;
    takenSince = 0;
    commit();
    return memory.whenRoomy(signal, HOLD_MS);
  };
}
