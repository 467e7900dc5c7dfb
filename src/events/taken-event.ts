import type { BusEntry, RawEvent } from './ports.ts';

/** One taken event. */
export interface TakenEvent {
  /** Its place in the journal; given once in the life of a process. */
  readonly seq: number;
  readonly eventId: string;
  readonly raw: RawEvent;
  /** When it was read from the stream, milliseconds since the epoch. */
  readonly takenAtMs: number;
  /** Length of its JSON text, the measure of what it costs to keep it in memory. */
  readonly bytes: number;
  /** Given when a letter of the stage `publish` is replayed: it is published as it was transformed. */
  readonly entry: BusEntry | undefined;
}
