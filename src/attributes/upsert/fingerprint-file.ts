import { hash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { BridgeError, messageOf } from '../../errors.ts';
import { openSqliteFile } from '../../lib/files/sqlite-file.ts';
import type { AttributeUpdate, Fingerprints } from '../ports.ts';

export interface FingerprintFileOptions {
  /** The file; it is made when the first fingerprint is stored. */
  readonly path: string;
  /** The oldest go first. */
  readonly maxRows: number;
}

interface Import {
  readonly isWriting: (id: string) => boolean;
  /** Ids in flight that another import had in flight at the same time. */
  readonly overlapping: Set<string>;
}

/**
 * Fingerprints in a file of this process, which must be the only writer of these attributes. What is
 * asked and said holds at once, not only when the promise has resolved.
 */
export function createFingerprintFile(options: FingerprintFileOptions): Fingerprints {
  const imports = new Set<Import>();
  let store = existsSync(options.path) ? openStore(options) : undefined;

  return {
    open(isWriting) {
      const mine: Import = { isWriting, overlapping: new Set() };
      imports.add(mine);

      function others(): Import[] {
        return imports.size === 1 ? [] : [...imports].filter((other) => other !== mine);
      }

      return {
        async unchanged(updates) {
          const kept = store;
          if (kept === undefined) return new Set();
          const known = updates.filter((update) => kept.has(keyOf(update), valueOf(update)));
          const busy = others();
          return new Set(known.filter(({ id }) => !busy.some((other) => other.isWriting(id))));
        },
        async announce(updates) {
          store?.remove(updates, keyOf);
          for (const other of others()) {
            for (const { id } of updates) {
              if (!other.isWriting(id)) continue;
              other.overlapping.add(id);
              mine.overlapping.add(id);
            }
          }
          return async (confirmed) => {
            const known = confirmed.filter(({ id }) => !mine.overlapping.has(id));
            if (mine.overlapping.size > 0) {
              for (const { id } of updates) mine.overlapping.delete(id);
            }
            if (known.length === 0) return;
            store ??= openStore(options);
            store.add(known.map((update) => [keyOf(update), valueOf(update)]));
          };
        },
        close: () => imports.delete(mine),
      };
    },
    close() {
      store?.close();
      store = undefined;
    },
  };
}

interface Store {
  has(key: Uint8Array, value: Uint8Array): boolean;
  remove<T>(items: readonly T[], keyOf: (item: T) => Uint8Array): void;
  add(rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): void;
  close(): void;
}

function openStore({ path, maxRows }: FingerprintFileOptions): Store {
  const file = guard(path, () => {
    // Its removals survive a power cut, or a wrong fingerprint would come back.
    const opened = openSqliteFile(path, { busyTimeoutMs: 1000 });
    opened.database.exec(`
      CREATE TABLE IF NOT EXISTS fingerprints
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
    `);
    return opened;
  });
  const { database } = file;
  const select = database.prepare('SELECT value FROM fingerprints WHERE key = ?');
  const remove = database.prepare('DELETE FROM fingerprints WHERE key = ?');
  const insert = database.prepare('INSERT INTO fingerprints (key, value) VALUES (?, ?)');
  const trim = database.prepare(
    'DELETE FROM fingerprints WHERE seq IN (SELECT seq FROM fingerprints ORDER BY seq LIMIT ?)',
  );
  let rows = Number(database.prepare('SELECT count(*) AS n FROM fingerprints').get()?.['n']);

  function transaction(change: () => number): void {
    rows += guard(path, () => file.transaction(change));
  }

  return {
    has(key, value) {
      const found = guard(path, () => select.get(key)?.['value']);
      return found instanceof Uint8Array && Buffer.compare(found, value) === 0;
    },
    remove(items, keyOf) {
      if (rows === 0) return;
      transaction(() => {
        let added = 0;
        for (const item of items) added -= Number(remove.run(keyOf(item)).changes);
        return added;
      });
    },
    add(fresh) {
      transaction(() => {
        let added = 0;
        for (const [key, value] of fresh) {
          added -= Number(remove.run(key).changes);
          added += Number(insert.run(key, value).changes);
        }
        const excess = rows + added - maxRows;
        return excess > 0 ? added - Number(trim.run(excess).changes) : added;
      });
    },
    close: () => file.close(),
  };
}

function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    throw new BridgeError(
      `The fingerprint file ${path} cannot be used (${messageOf(error)}). Check the disk and FINGERPRINT_PATH; deleting the file is safe while the service is stopped`,
      { code: 'fingerprints_unavailable', kind: 'systemic', cause: error },
    );
  }
}

function keyOf({ id }: AttributeUpdate): Uint8Array {
  return shortHash(id);
}

function valueOf({ attributes }: AttributeUpdate): Uint8Array {
  return shortHash(JSON.stringify([...attributes]));
}

function shortHash(text: string): Uint8Array {
  return hash('sha256', text, 'buffer').subarray(0, 16);
}
