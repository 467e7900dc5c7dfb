import type { DatabaseSync } from 'node:sqlite';
import { BridgeError, coerceError } from '../../errors.ts';
import { openJournalFile } from './journal-file.ts';
import { createSeenWindow } from './seen-window.ts';

export interface JournalOptions {
  readonly path: string;
  /** `full` is reported from this size on, in bytes. */
  readonly maxBytes: number;
  /** `full` is reported from this number of events and letters on. */
  readonly maxRows: number;
  /** Keys of events remembered to recognise duplicates; at most a quarter of `maxBytes` is spent. */
  readonly dedupeRows: number;
  /** How long to wait for another process to let go of the file, in milliseconds. Default 5000. */
  readonly busyTimeoutMs?: number;
  readonly now?: () => number;
}

export interface NewEvent {
  readonly eventId: string;
  /** What makes it a duplicate of another one; `undefined` = nothing does. */
  readonly key: string | undefined;
  readonly takenAtMs: number;
  /** JSON text of the raw event. */
  readonly raw: string;
}

export interface JournalEvent extends Omit<NewEvent, 'key'> {
  readonly seq: number;
}

export interface JournalLetter {
  readonly seq: number;
  readonly waitingSinceMs: number;
  /** JSON text of the dead letter. */
  readonly body: string;
}

/** What one transaction does; all of it or nothing. */
export interface JournalChange {
  readonly take?: readonly NewEvent[];
  /** Events that the bus accepted, or that became letters, by their `seq`. */
  readonly settle?: readonly number[];
  /** Bodies of dead letters that wait for the queue from now on. */
  readonly letters?: readonly string[];
  /** Letters that the queue took, by their `seq`. */
  readonly sent?: readonly number[];
}

/**
 * What was taken from the stream and is not settled yet, on disk. Every change is durable when
 * `write` returns (WAL, synchronous=FULL). All calls are synchronous: group many into one `write`.
 */
export interface Journal {
  /**
   * Events get consecutive numbers; the result is the first of them.
   * @throws BridgeError `journal_cannot_write` (disk full, I/O error): nothing was changed.
   */
  write(change: JournalChange): number;
  /** Remembers the key, on disk with the next `write` that has it; false when it was seen before. */
  claim(key: string): boolean;
  /** The unsettled events after `seq`, oldest first, until there are `limit` or their text has `maxSize` UTF-16 units. */
  eventsAfter(seq: number, limit: number, maxSize: number): JournalEvent[];
  lettersAfter(seq: number, limit: number): JournalLetter[];
  recall(name: string): string | undefined;
  remember(name: string, value: string): void;
  readonly lastSeq: number;
  readonly events: number;
  readonly letters: number;
  readonly bytes: number;
  readonly full: boolean;
  /** Age of the oldest unsettled event, in milliseconds; 0 when there is none. */
  readonly oldestAgeMs: number;
  readonly oldestLetterAgeMs: number;
  close(): void;
}

/** What a remembered key takes on disk, in bytes, on the safe side. */
const BYTES_PER_KEY = 128;

/** @throws ConfigError when the file is in use, foreign, damaged or cannot be written. */
export function createJournal(options: JournalOptions): Journal {
  const { path, maxBytes, maxRows, now = Date.now } = options;
  const file = openJournalFile(path, options.busyTimeoutMs ?? 5000);
  const dedupeRows = Math.min(options.dedupeRows, Math.floor(maxBytes / 4 / BYTES_PER_KEY));

  const sql = prepareStatements(file.database);
  const seen = createSeenWindow(dedupeRows);
  for (const { key } of sql.allSeen.iterate()) seen.add(String(key));

  const number = (row: Record<string, unknown> | undefined): number =>
    Number(Object.values(row ?? {})[0] ?? 0);
  const pageSize = number(sql.pageSize.get());
  const measure = () => (number(sql.pageCount.get()) - number(sql.freePages.get())) * pageSize;

  let lastSeq = Math.max(number(sql.lastEvent.get()), number(sql.lastSeen.get()));
  let lastLetter = number(sql.lastLetter.get());
  let events = number(sql.countEvents.get());
  let letters = number(sql.countLetters.get());
  let bytes = measure();

  function transaction(work: () => void): void {
    try {
      file.transaction(work);
    } catch (error) {
      const cause = coerceError(error);
      throw new BridgeError(`The journal ${path} cannot be written: ${cause.message}`, {
        code: 'journal_cannot_write',
        kind: 'retry',
        cause,
      });
    }
  }

  return {
    write({ take = [], settle = [], letters: newLetters = [], sent = [] }) {
      const firstSeq = lastSeq + 1;
      let settled = 0;
      let posted = 0;
      transaction(() => {
        let seq = lastSeq;
        for (const event of take) {
          seq += 1;
          sql.addEvent.run(seq, event.eventId, event.takenAtMs, event.raw);
          if (event.key !== undefined && dedupeRows > 0) sql.addSeen.run(seq, event.key);
        }
        if (take.length > 0) sql.forgetSeen.run(seq - dedupeRows);
        for (const [from, to] of runsOf(settle))
          settled += Number(sql.settle.run(from, to).changes);
        let letter = lastLetter;
        for (const body of newLetters) {
          letter += 1;
          sql.addLetter.run(letter, now(), body);
        }
        for (const [from, to] of runsOf(sent))
          posted += Number(sql.dropLetters.run(from, to).changes);
      });
      lastSeq += take.length;
      lastLetter += newLetters.length;
      events += take.length - settled;
      letters += newLetters.length - posted;
      bytes = measure();
      return firstSeq;
    },
    claim: (key) => seen.add(key),
    eventsAfter(seq, limit, maxSize) {
      const found: JournalEvent[] = [];
      let size = 0;
      for (const row of sql.eventsAfter.iterate(seq, limit)) {
        const raw = String(row['raw']);
        found.push({
          seq: Number(row['seq']),
          eventId: String(row['event_id']),
          takenAtMs: Number(row['taken_at']),
          raw,
        });
        size += raw.length;
        if (size >= maxSize) break;
      }
      return found;
    },
    lettersAfter: (seq, limit) =>
      sql.lettersAfter.all(seq, limit).map((row) => ({
        seq: Number(row['seq']),
        waitingSinceMs: Number(row['waiting_since']),
        body: String(row['body']),
      })),
    recall(name) {
      const value = sql.recall.get(name)?.['value'];
      return typeof value === 'string' ? value : undefined;
    },
    remember: (name, value) => transaction(() => void sql.remember.run(name, value)),
    get lastSeq() {
      return lastSeq;
    },
    get events() {
      return events;
    },
    get letters() {
      return letters;
    },
    get bytes() {
      return bytes;
    },
    get full() {
      return events + letters >= maxRows || bytes >= maxBytes;
    },
    get oldestAgeMs() {
      return events === 0 ? 0 : Math.max(0, now() - number(sql.oldestEvent.get()));
    },
    get oldestLetterAgeMs() {
      return letters === 0 ? 0 : Math.max(0, now() - number(sql.oldestLetter.get()));
    },
    close: () => file.close(),
  };
}

function prepareStatements(database: DatabaseSync) {
  const sql = (text: string) => database.prepare(text);
  return {
    addEvent: sql('INSERT INTO events (seq, event_id, taken_at, raw) VALUES (?, ?, ?, ?)'),
    settle: sql('DELETE FROM events WHERE seq BETWEEN ? AND ?'),
    eventsAfter: sql('SELECT * FROM events WHERE seq > ? ORDER BY seq LIMIT ?'),
    lastEvent: sql('SELECT max(seq) FROM events'),
    countEvents: sql('SELECT count(*) FROM events'),
    oldestEvent: sql('SELECT taken_at FROM events ORDER BY seq LIMIT 1'),
    addSeen: sql('INSERT INTO seen (seq, key) VALUES (?, ?)'),
    forgetSeen: sql('DELETE FROM seen WHERE seq <= ?'),
    allSeen: sql('SELECT key FROM seen ORDER BY seq'),
    lastSeen: sql('SELECT max(seq) FROM seen'),
    addLetter: sql('INSERT INTO letters (seq, waiting_since, body) VALUES (?, ?, ?)'),
    dropLetters: sql('DELETE FROM letters WHERE seq BETWEEN ? AND ?'),
    lettersAfter: sql('SELECT * FROM letters WHERE seq > ? ORDER BY seq LIMIT ?'),
    lastLetter: sql('SELECT max(seq) FROM letters'),
    countLetters: sql('SELECT count(*) FROM letters'),
    oldestLetter: sql('SELECT waiting_since FROM letters ORDER BY seq LIMIT 1'),
    recall: sql('SELECT value FROM state WHERE name = ?'),
    remember: sql('INSERT OR REPLACE INTO state (name, value) VALUES (?, ?)'),
    pageSize: sql('PRAGMA page_size'),
    pageCount: sql('PRAGMA page_count'),
    freePages: sql('PRAGMA freelist_count'),
  };
}

/** Consecutive numbers as ranges: what is taken together is mostly settled together. */
function runsOf(numbers: readonly number[]): [from: number, to: number][] {
  const runs: [number, number][] = [];
  let last: [number, number] | undefined;
  for (const value of Float64Array.from(numbers).sort()) {
    if (last !== undefined && value <= last[1] + 1) {
      last[1] = value;
    } else {
      last = [value, value];
      runs.push(last);
    }
  }
  return runs;
}
