import type { DeadLetter, RawEvent } from './ports.ts';

/** One taken event. */
export interface TakenEvent {
  /** Its place in the journal; given once in the life of a process. */
  readonly seq: number;
  readonly eventId: string;
  readonly raw: RawEvent;
  /** When it was read from the stream, milliseconds since the epoch. */
  readonly takenAtMs: number;
  /** Length of its JSON text in UTF-16 units, the measure of what it costs to keep it in memory. */
  readonly size: number;
  /** Taken again by this process, from its dead letter: it can go back there. */
  readonly isReplayed: boolean;
}

/** Where taken events come from, and what becomes of them. */
export interface EventSupply {
  /** The next event to do; `undefined` = none at the moment. */
  next(): TakenEvent | undefined;
  /** Resolves when there may be a next one. */
  whenNext(signal: AbortSignal): Promise<void>;
  /** The bus has these. */
  settle(events: readonly TakenEvent[]): void;
  /** The letter is kept; only with it is the event settled. */
  giveUp(event: TakenEvent, letter: DeadLetter): void;
  /** Events in memory that nobody has asked for yet. */
  readonly waiting: number;
}
