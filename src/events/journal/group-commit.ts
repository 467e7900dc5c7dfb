import { inspect } from 'node:util';
import type { Availability } from '../../lib/health/availability.ts';
import { writeJson } from '../../lib/json/exact-json.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { DeadLetter, RawEvent } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { Journal, NewEvent } from './journal.ts';

export interface GroupCommitOptions {
  readonly journal: Journal;
  /** Reports the dependency `journal`. */
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
  /** Of the message of the dead letter that it comes from, when it is taken again. */
  readonly letterId?: string | undefined;
  /** What makes it a duplicate of another one; `undefined` = nothing does. */
  readonly key?: string | undefined;
  readonly takenAtMs: number;
  readonly event: RawEvent;
}

/**
 * Group commit: what is to be written to the journal within a few milliseconds goes in one
 * transaction. While the disk refuses, all of it waits here, and `open` is false.
 */
export interface GroupCommit {
  /** @throws when the event cannot be written as JSON: then it is as if it had never come. */
  take(event: EventToTake): void;
  /** For events that were taken before. @throws BridgeError `journal_cannot_write`: none is taken. */
  takeAgain(events: readonly EventToTake[]): void;
  settle(seq: number): void;
  /** The letter goes to disk in the transaction that settles its event. Never throws. */
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
  let taken: EventRow[] = [];
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
    if (taken.length + settled.length + letters.length + sent.length === 0) return true;
    const startedMs = performance.now();
    let firstSeq: number;
    try {
      firstSeq = journal.write({ take: taken.map(rowIn), settle: settled, letters, sent });
    } catch (error) {
      refused = true;
      availability.down(error, 'reading the stream pauses until the disk can be written again');
      schedule(retryMs);
      return false;
    }
    stats.spent('journal', performance.now() - startedMs, taken.length);
    stats.counts.ingested += taken.length;
    const events = takenOf(taken, firstSeq, false);
    const hasLetters = letters.length > 0;
    taken = [];
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
      taken.push(withRow(event));
      wrote(taken.length, GROUP_MS);
    },
    takeAgain(events) {
      const again = events.map(withRow);
      const firstSeq = journal.write({ take: again.map(rowIn) });
      stats.counts.replayed += again.length;
      onTaken(takenOf(again, firstSeq, true));
    },
    settle(seq) {
      settled.push(seq);
      wrote(settled.length / 4, SETTLE_MS);
    },
    giveUp(letter, seq) {
      letters.push(textOf(letter));
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

/** An event with its row, which is made first: one that cannot be serialised is in no list. */
interface EventRow {
  readonly event: EventToTake;
  readonly row: NewEvent;
}

function withRow(taken: EventToTake): EventRow {
  const { eventId, key, takenAtMs, event } = taken;
  const raw = writeJson(event);
  return { event: taken, row: { eventId, key, takenAtMs, raw } };
}

const rowIn = ({ row }: EventRow) => row;

function takenOf(
  rows: readonly EventRow[],
  firstSeq: number,
  isReplayed: boolean,
): readonly TakenEvent[] {
  return rows.map(({ event: { eventId, event, takenAtMs }, row }, index) => ({
    seq: firstSeq + index,
    eventId,
    raw: event,
    takenAtMs,
    size: row.raw.length,
    isReplayed,
  }));
}

/** A letter must never fail: an event that is no JSON is described in it as far as possible. */
function textOf(letter: DeadLetter): string {
  try {
    return writeJson(letter, letter.originalEvent);
  } catch {
    const { transformedEvent: _none, ...rest } = letter;
    return JSON.stringify({ ...rest, originalEvent: described(letter.originalEvent) });
  }
}

function described(event: unknown): string {
  try {
    return inspect(event, { depth: 20, breakLength: Infinity, customInspect: false });
  } catch {
    return 'An event that can be neither written as JSON nor described';
  }
}
