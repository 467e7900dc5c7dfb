import type { BusEntry, RawEvent } from './ports.ts';

/** One taken event on its way through the pipeline; each stage adds what it learned. */
export interface TakenEvent {
  /** Its place in the journal; given once in the life of a process. */
  readonly seq: number;
  readonly eventId: string;
  readonly raw: RawEvent;
  /** When it was read from the stream, milliseconds since the epoch. */
  readonly takenAtMs: number;
  /** Length of its JSON text, the measure of what it costs to keep it in memory. */
  readonly bytes: number;
  /** Set by the transform, or given from the start when a letter of the stage `publish` is replayed. */
  entry: BusEntry | undefined;
  entryBytes: number;
  queuedAtMs: number;
  /** How often it was sent to the bus. */
  attempts: number;
  /** How many retries its own errors have used up. */
  retries: number;
  /** Calls that failed as a whole while it was in them. */
  callFailures: number;
  /** Sent without company, so that a failing call is its own failure. */
  alone: boolean;
  lastFailedAtMs: number;
}

export function createTakenEvent(
  taken: Pick<TakenEvent, 'seq' | 'eventId' | 'raw' | 'takenAtMs' | 'bytes'> & {
    readonly entry: BusEntry | undefined;
  },
): TakenEvent {
  return {
    ...taken,
    entryBytes: 0,
    queuedAtMs: 0,
    attempts: 0,
    retries: 0,
    callFailures: 0,
    alone: false,
    lastFailedAtMs: 0,
  };
}
