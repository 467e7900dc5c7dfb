import type { BusEntry } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';

/** An event on its way to the bus, and what the calls so far say about it. */
export interface PendingEvent {
  readonly event: TakenEvent;
  readonly entry: BusEntry;
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

export function createPendingEvent(
  facts: Pick<PendingEvent, 'event' | 'entry' | 'entryBytes' | 'queuedAtMs'>,
): PendingEvent {
  return { ...facts, attempts: 0, retries: 0, callFailures: 0, alone: false, lastFailedAtMs: 0 };
}
