import { hash } from 'node:crypto';
import { existsSync, mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { BridgeError } from '../errors.ts';
import type { AttributeUpdate } from './ports.ts';

/**
 * What the contact centre is known to have, as one hash per entity, on disk.
 *
 * It must never be wrong, only incomplete: a fingerprint is removed (and the removal is on disk)
 * before a write of its entity is attempted, and stored after the write was confirmed, unless
 * another write of the same entity overlapped: then nobody knows which came last.
 * It holds for one process that is the only writer of these attributes.
 */
export interface Fingerprints {
  /** Whether exactly this update was the last one that was written, and was confirmed. */
  has(orgId: string, update: AttributeUpdate): boolean;
  /**
   * Writes of these entities are about to be attempted. The caller must settle the announcement
   * in the end, whatever became of them.
   *
   * @throws BridgeError `fingerprints_unavailable`; then nothing may be written.
   */
  announce(orgId: string, updates: readonly AttributeUpdate[]): Announcement;
  close(): void;
}

export interface Announcement {
  /** @param confirmed the updates to remember: those that were certainly written, or none. */
  settle(confirmed: readonly AttributeUpdate[]): void;
}

export interface FingerprintOptions {
  /** The file; it is made when the first fingerprint is stored. */
  readonly path: string;
  /** The oldest go first. */
  readonly maxRows: number;
}

interface Writing {
  writers: number;
  overlapped: boolean;
}

export function createFingerprints(options: FingerprintOptions): Fingerprints {
  const writing = new Map<string, Writing>();
  let store = existsSync(options.path) ? openStore(options) : undefined;

  return {
    has(orgId, update) {
      const entity = entityOf(orgId, update);
      return !writing.has(entity) && store?.has(keyOf(entity), valueOf(update)) === true;
    },
    announce(orgId, updates) {
      const entities = updates.map((update) => entityOf(orgId, update));
      store?.remove(entities.map(keyOf));
      for (const entity of entities) {
        const other = writing.get(entity);
        if (other === undefined) {
          writing.set(entity, { writers: 1, overlapped: false });
        } else {
          other.writers += 1;
          other.overlapped = true;
        }
      }
      return {
        settle(confirmed) {
          const rows = confirmed
            .filter((update) => writing.get(entityOf(orgId, update))?.overlapped === false)
            .map((update) => [keyOf(entityOf(orgId, update)), valueOf(update)] as const);
          for (const entity of entities) {
            const mine = writing.get(entity);
            if (mine === undefined) continue;
            mine.writers -= 1;
            if (mine.writers === 0) writing.delete(entity);
          }
          if (rows.length === 0) return;
          store ??= openStore(options);
          store.add(rows);
        },
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
  remove(keys: readonly Uint8Array[]): void;
  add(rows: readonly (readonly [key: Uint8Array, value: Uint8Array])[]): void;
  close(): void;
}

function openStore({ path, maxRows }: FingerprintOptions): Store {
  const database = guard(path, () => {
    mkdirSync(dirname(path), { recursive: true });
    const opened = new DatabaseSync(path, { timeout: 1000 });
    // FULL: a removal must survive a power cut, or a wrong fingerprint would come back.
    opened.exec(`
      PRAGMA journal_mode = WAL;
      PRAGMA synchronous = FULL;
      PRAGMA locking_mode = EXCLUSIVE;
      CREATE TABLE IF NOT EXISTS fingerprints
        (seq INTEGER PRIMARY KEY AUTOINCREMENT, key BLOB NOT NULL UNIQUE, value BLOB NOT NULL);
    `);
    return opened;
  });
  const select = database.prepare('SELECT value FROM fingerprints WHERE key = ?');
  const remove = database.prepare('DELETE FROM fingerprints WHERE key = ?');
  const insert = database.prepare('INSERT INTO fingerprints (key, value) VALUES (?, ?)');
  const trim = database.prepare(
    'DELETE FROM fingerprints WHERE seq IN (SELECT seq FROM fingerprints ORDER BY seq LIMIT ?)',
  );
  let rows = Number(database.prepare('SELECT count(*) AS n FROM fingerprints').get()?.['n']);

  function transaction(change: () => number): void {
    guard(path, () => {
      database.exec('BEGIN IMMEDIATE');
      try {
        const added = change();
        database.exec('COMMIT');
        rows += added;
      } catch (error) {
        if (database.isTransaction) database.exec('ROLLBACK');
        throw error;
      }
    });
  }

  return {
    has(key, value) {
      const found = guard(path, () => select.get(key)?.['value']);
      return found instanceof Uint8Array && Buffer.compare(found, value) === 0;
    },
    remove(keys) {
      if (rows === 0) return;
      transaction(() => {
        let added = 0;
        for (const key of keys) added -= Number(remove.run(key).changes);
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
    close: () => database.close(),
  };
}

function guard<T>(path: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BridgeError(
      `The fingerprint file ${path} cannot be used (${reason}). Check the disk and FINGERPRINT_PATH; deleting the file is safe while the service is stopped`,
      { code: 'fingerprints_unavailable', kind: 'systemic', cause: error },
    );
  }
}

function entityOf(orgId: string, update: AttributeUpdate): string {
  return `${orgId}\0${update.id}`;
}

function keyOf(entity: string): Uint8Array {
  return hash('sha256', entity, 'buffer').subarray(0, 16);
}

function valueOf(update: AttributeUpdate): Uint8Array {
  return hash('sha256', JSON.stringify([...update.attributes]), 'buffer').subarray(0, 16);
}
