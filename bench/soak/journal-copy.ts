import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { eventsOfLetters } from './letters.ts';

/** What the journal of a service that has ended says, read without the service's own code. */
export interface JournalCopy {
  /** Interactions of the events that were taken, with the time in the event (epoch milliseconds). */
  readonly taken: ReadonlyMap<string, number>;
  /** Interactions of what is neither published nor in the queue yet. */
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
    for (const { raw } of database.prepare('SELECT raw FROM events').iterate()) {
      unsettled.push(String((JSON.parse(String(raw)) as { id?: unknown }).id));
    }
    const letters = database.prepare('SELECT body FROM letters').all();
    unsettled.push(...eventsOfLetters(letters.map(({ body }) => String(body))));
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
