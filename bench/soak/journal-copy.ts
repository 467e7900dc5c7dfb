import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';

/** What the journal of a service that has ended says, read without the service's own code. */
export interface JournalCopy {
  /** Of the events that were taken: their ids, with the time in the event (epoch milliseconds). */
  readonly taken: ReadonlyMap<string, number>;
  /** Ids of what is neither published nor in the queue yet. */
  readonly unsettled: readonly string[];
  readonly lastSeq: number;
  /** Files of the journal, write-ahead log included. */
  readonly bytes: number;
}

/** Opens a copy: looking at the journal itself would already change it. */
export function readJournal(path: string): JournalCopy {
  const folder = mkdtempSync(join(tmpdir(), 'soak-journal-'));
  try {
    const copy = join(folder, 'journal.db');
    for (const suffix of ['', '-wal']) {
      if (existsSync(path + suffix)) copyFileSync(path + suffix, copy + suffix);
    }
    const database = new DatabaseSync(copy);
    const taken = new Map<string, number>();
    let lastSeq = 0;
    for (const { seq, key } of database.prepare('SELECT seq, key FROM seen').iterate()) {
      const [id = '', time = ''] = String(key).split(' ');
      taken.set(id, Date.parse(time));
      lastSeq = Math.max(lastSeq, Number(seq));
    }
    const unsettled: string[] = [];
    for (const { event_id } of database.prepare('SELECT event_id FROM events').iterate()) {
      unsettled.push(String(event_id));
    }
    for (const { body } of database.prepare('SELECT body FROM letters').iterate()) {
      unsettled.push((JSON.parse(String(body)) as { eventId: string }).eventId);
    }
    database.close();
    return { taken, unsettled, lastSeq, bytes: fileBytes(path) };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A database with its write-ahead log, in bytes; 0 when there is none. */
export function fileBytes(path: string): number {
  return ['', '-wal'].reduce(
    (sum, suffix) => sum + (statSync(path + suffix, { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}
