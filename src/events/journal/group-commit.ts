import type { Availability } from '../../lib/health/availability.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { BusEntry, DeadLetter, RawEvent } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { Journal, NewEvent } from './journal.ts';

export interface GroupCommitOptions {
  readonly journal: Journal;
  /** Of the dependency `journal`. */
  readonly availability: Availability;
  readonly stats: PipelineStats;
  /** Between two tries while the disk refuses, in milliseconds. */
  readonly retryMs: number;
  /** These are taken now: committed. */
  readonly onTaken: (events: readonly TakenEvent[]) => void;
  /** There are new letters on disk. */
  readonly onLetters: () => void;
}

export interface EventToTake {
  readonly eventId: string;
  /** What makes it a duplicate of another one; `undefined` = nothing does. */
  readonly key?: string | undefined;
  readonly takenAtMs: number;
  readonly event: RawEvent;
  /** Publish this instead of transforming the event. */
  readonly entry?: BusEntry | undefined;
}

/**
 * Group commit: what is to be written to the journal within a few milliseconds goes in one
 * transaction. While the disk refuses, all of it waits here, and `open` is false.
 */
export interface GroupCommit {
  take(event: EventToTake): void;
  /** For events that were taken before. @throws BridgeError `journal_cannot_write`: none is taken. */
  takeAgain(events: readonly EventToTake[]): void;
  settle(seq: number): void;
  /** The letter goes to disk in the transaction that settles its event. */
  giveUp(letter: DeadLetter, seq: number | undefined): void;
  sent(letterSeqs: readonly number[]): void;
  /** Writes what waits, now; false when the disk refuses. */
  flush(): boolean;
  /** Whether more may be taken: the journal has room and can be written. */
  readonly open: boolean;
  whenOpen(signal: AbortSignal): Promise<void>;
  stop(): void;
}

/** How long an event waits for others to share its transaction, in milliseconds. */
const GROUP_MS = 3;
/** How long settled events and sent letters wait for theirs, in milliseconds. */
const SETTLE_MS = 50;
/** So many events, or four times as many settlements, are written without waiting. */
const GROUP_SIZE = 256;

export function createGroupCommit(options: GroupCommitOptions): GroupCommit {
  const { journal, availability, stats, retryMs, onTaken, onLetters } = options;
  const opened = createWakeup();
  let taken: EventToTake[] = [];
  let rows: NewEvent[] = [];
  let settled: number[] = [];
  let letters: string[] = [];
  let sent: number[] = [];
  let timer: NodeJS.Timeout | undefined;
  let timerDueMs = Infinity;
  let refused = false;
  const isOpen = () => !refused && !journal.full;

  function flush(): boolean {
    clearTimeout(timer);
    timerDueMs = Infinity;
    if (rows.length + settled.length + letters.length + sent.length === 0) return true;
    const startedMs = performance.now();
    let firstSeq: number;
    try {
      firstSeq = journal.write({ take: rows, settle: settled, letters, sent });
    } catch (error) {
      refused = true;
      availability.down(error, 'reading the stream pauses until the disk can be written again');
      schedule(retryMs);
      return false;
    }
    stats.spent('journal', performance.now() - startedMs, rows.length);
    stats.counts.ingested += rows.length;
    const events = takenOf(taken, rows, firstSeq);
    const hasLetters = letters.length > 0;
    taken = [];
    rows = [];
    settled = [];
    letters = [];
    sent = [];
    refused = false;
    availability.up();
    if (events.length > 0) onTaken(events);
    if (hasLetters) onLetters();
    if (!journal.full) opened.wake();
    return true;
  }

  function schedule(ms: number): void {
    const dueMs = performance.now() + ms;
    if (dueMs >= timerDueMs) return;
    clearTimeout(timer);
    timerDueMs = dueMs;
    timer = setTimeout(flush, ms);
  }

  /** While the disk refuses only the retry timer writes. */
  function wrote(waiting: number, waitMs: number): void {
    if (refused) return;
    if (waiting >= GROUP_SIZE) flush();
    else schedule(waitMs);
  }

  return {
    take(event) {
      taken.push(event);
      rows.push(rowOf(event));
      wrote(rows.length, GROUP_MS);
    },
    takeAgain(events) {
      const again = events.map(rowOf);
      const firstSeq = journal.write({ take: again });
      stats.counts.replayed += events.length;
      onTaken(takenOf(events, again, firstSeq));
    },
    settle(seq) {
      settled.push(seq);
      wrote(settled.length / 4, SETTLE_MS);
    },
    giveUp(letter, seq) {
      letters.push(JSON.stringify(letter));
      if (seq !== undefined) settled.push(seq);
      wrote(letters.length, SETTLE_MS);
    },
    sent(letterSeqs) {
      sent.push(...letterSeqs);
      wrote(0, SETTLE_MS);
    },
    flush,
    get open() {
      return isOpen();
    },
    async whenOpen(signal) {
      while (!isOpen()) await opened.wait(signal);
    },
    stop() {
      clearTimeout(timer);
      timerDueMs = Infinity;
    },
  };
}

function rowOf({ eventId, key, takenAtMs, event, entry }: EventToTake): NewEvent {
  return {
    eventId,
    key,
    takenAtMs,
    raw: JSON.stringify(event),
    entry: entry === undefined ? undefined : JSON.stringify(entry),
  };
}

function takenOf(
  events: readonly EventToTake[],
  rows: readonly NewEvent[],
  firstSeq: number,
): readonly TakenEvent[] {
  return events.map(({ eventId, event, takenAtMs, entry }, index) => ({
    seq: firstSeq + index,
    eventId,
    raw: event,
    takenAtMs,
    size: rows[index]?.raw.length ?? 0,
    entry,
  }));
}
