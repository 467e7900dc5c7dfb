import type { TakenEvent } from '../taken-event.ts';

/** An event on its way out, and what the calls so far say about it. */
export interface PendingEvent<Entry> {
  readonly event: TakenEvent;
  readonly entry: Entry;
  /** See `Outlet.groupOf`. */
  readonly group: string;
  /** Size of the entry as the bus counts it. */
  readonly entryBytes: number;
  /** `performance.now()` */
  readonly queuedAtMs: number;
  /** How often it was sent to the bus. */
  attempts: number;
  /** How many retries its own errors have used up. */
  retries: number;
  /** Calls that failed as a whole while it was in them. */
  callFailures: number;
  /** Sent without company, so that a failing call is its own failure. */
  alone: boolean;
  /** `performance.now()`; 0 = never. */
  lastFailedAtMs: number;
}

export function createPendingEvent<Entry>(
  facts: Pick<PendingEvent<Entry>, 'event' | 'entry' | 'group' | 'entryBytes' | 'queuedAtMs'>,
): PendingEvent<Entry> {
  return { ...facts, attempts: 0, retries: 0, callFailures: 0, alone: false, lastFailedAtMs: 0 };
}
