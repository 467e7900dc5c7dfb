import type { DatabaseSync } from 'node:sqlite';
import { ConfigError, coerceError } from '../../errors.ts';
import {
  openSqliteFile,
  SQLITE,
  type SqliteFile,
  sqliteCode,
} from '../../lib/files/sqlite-file.ts';

/** "IBJ1": marks the file as ours. */
const APPLICATION_ID = 0x49_42_4a_31;
const LAYOUT_VERSION = 1;

/**
 * Tables are read by primary key only: an index would sort the backlog at every read. Nobody reads
 * or writes `entry` any more: older versions kept there what they had transformed.
 */
const LAYOUT = `
  CREATE TABLE events (
    seq INTEGER PRIMARY KEY,
    event_id TEXT NOT NULL,
    taken_at INTEGER NOT NULL,
    raw TEXT NOT NULL,
    entry TEXT
  );
  CREATE TABLE letters (seq INTEGER PRIMARY KEY, waiting_since INTEGER NOT NULL, body TEXT NOT NULL);
  CREATE TABLE seen (seq INTEGER PRIMARY KEY, key TEXT NOT NULL);
  CREATE TABLE state (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
  PRAGMA application_id = ${APPLICATION_ID};
  PRAGMA user_version = ${LAYOUT_VERSION};
`;

const WAY_OUT =
  'Nothing was changed. Move the file (and its -wal file) away to start with an empty journal, ' +
  'or salvage it first: docs/runbook.md, "The journal is damaged"';

/**
 * Opens or creates the file, for this process alone: the lock goes with the process, also when
 * that is killed.
 *
 * @throws ConfigError `journal_in_use`, `journal_foreign`, `journal_damaged`,
 *   `journal_version_unknown` or `journal_unwritable`; never starts from zero over a file.
 */
export function openJournalFile(path: string, busyTimeoutMs: number): SqliteFile {
  let file: SqliteFile | undefined;
  try {
    file = openSqliteFile(path, {
      busyTimeoutMs,
      inspect: (database) => inspect(database, path),
    });
    prepare(file.database, path);
    return file;
  } catch (error) {
    file?.close();
    throw error instanceof ConfigError ? error : explain(error, path);
  }
}

function inspect(database: DatabaseSync, path: string): void {
  if (isNew(database)) return;
  if (pragma(database, 'application_id') !== APPLICATION_ID) {
    throw new ConfigError(
      [`JOURNAL_PATH: ${path} is a database of another application. ${WAY_OUT}`],
      { code: 'journal_foreign' },
    );
  }
  const version = pragma(database, 'user_version');
  if (version !== LAYOUT_VERSION) {
    throw new ConfigError(
      [
        `JOURNAL_PATH: ${path} has the layout version ${String(version)}; this service ` +
          `knows ${LAYOUT_VERSION}. Use the version of the service that wrote it. ${WAY_OUT}`,
      ],
      { code: 'journal_version_unknown' },
    );
  }
}

function prepare(database: DatabaseSync, path: string): void {
  database.exec('PRAGMA journal_size_limit = 16777216');
  // The lock is taken by the first write and then kept.
  database.exec(`BEGIN EXCLUSIVE; ${isNew(database) ? LAYOUT : ''} COMMIT`);
  const verdict = pragma(database, 'quick_check(1)');
  if (verdict !== 'ok') {
    throw new ConfigError([`JOURNAL_PATH: ${path} is damaged: ${String(verdict)}. ${WAY_OUT}`], {
      code: 'journal_damaged',
    });
  }
}

function isNew(database: DatabaseSync): boolean {
  return database.prepare('SELECT 1 FROM sqlite_schema LIMIT 1').get() === undefined;
}

function pragma(database: DatabaseSync, name: string): unknown {
  return Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0];
}

function explain(thrown: unknown, path: string): ConfigError {
  const cause = coerceError(thrown);
  switch (sqliteCode(thrown)) {
    case SQLITE.busy:
      return new ConfigError(
        [
          `JOURNAL_PATH: ${path} is in use by another process; every process needs a journal of its own`,
        ],
        { code: 'journal_in_use', cause },
      );
    case SQLITE.corrupt:
    case SQLITE.notADatabase:
      return new ConfigError([`JOURNAL_PATH: ${path} is damaged: ${cause.message}. ${WAY_OUT}`], {
        code: 'journal_damaged',
        cause,
      });
    default:
      return new ConfigError(
        [
          `JOURNAL_PATH: ${path} cannot be opened for writing: ${cause.message}; ` +
            'allowed: a file in a directory that this process may write to',
        ],
        { code: 'journal_unwritable', cause },
      );
  }
}
