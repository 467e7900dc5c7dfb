import { closeSync, existsSync, openSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { makeFolder } from './make-folder.ts';

export interface SqliteFileOptions {
  /** How long to wait for another process to let go of the file, in milliseconds. */
  readonly busyTimeoutMs: number;
  /** Looks at the file before anything of it is changed; what it throws ends the opening. */
  readonly inspect?: ((database: DatabaseSync) => void) | undefined;
}

export interface SqliteFile {
  readonly database: DatabaseSync;
  /** All of it or nothing; durable when it returns. @throws what `work` or SQLite throws. */
  transaction<T>(work: () => T): T;
  close(): void;
}

/**
 * Opens or creates the file and its folder, for this process alone: the lock is taken by the first
 * read or write and goes with the process, also when that is killed. A new file can be read by its
 * owner only; SQLite gives its -wal file the same mode.
 *
 * @throws what SQLite or the file system throws; the file is closed then.
 */
export function openSqliteFile(path: string, options: SqliteFileOptions): SqliteFile {
  makeFolder(dirname(path));
  createPrivately(path);
  const database = new DatabaseSync(path, { timeout: options.busyTimeoutMs });
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE');
    options.inspect?.(database);
    // FULL: what was committed survives a power cut.
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL');
    const begin = database.prepare('BEGIN IMMEDIATE');
    const commit = database.prepare('COMMIT');
    const rollback = database.prepare('ROLLBACK');
    return {
      database,
      transaction(work) {
        try {
          begin.run();
          const result = work();
          commit.run();
          return result;
        } catch (error) {
          if (database.isOpen && database.isTransaction) rollback.run();
          throw error;
        }
      },
      close: () => database.close(),
    };
  } catch (error) {
    database.close();
    throw error;
  }
}

/** Never opens a file that exists: closing it would drop the locks that this process has on it. */
function createPrivately(path: string): void {
  try {
    closeSync(openSync(path, 'wx', 0o600));
  } catch (error) {
    if (!existsSync(path)) throw error;
  }
}

/** SQLite's primary result codes: https://sqlite.org/rescode.html */
export const SQLITE = { busy: 5, corrupt: 11, notADatabase: 26 } as const;

/** The primary result code, when SQLite threw this. */
export function sqliteCode(error: unknown): number | undefined {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : undefined;
}
