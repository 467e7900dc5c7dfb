import { existsSync, statSync } from 'node:fs';
import { DatabaseSync } from 'node:sqlite';
import { ConfigError } from '../../errors.ts';
import { SQLITE, sqliteCode } from '../../lib/files/sqlite-file.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import { type DiskValue, rowsOnPages } from './salvage-pages.ts';

/** What can be saved of a journal. `raw`, `entry` and `body` are JSON text. */
export type Salvaged =
  | {
      readonly kind: 'event';
      readonly eventId: string;
      readonly takenAtMs: number;
      readonly raw: string;
      readonly entry: string | undefined;
    }
  | { readonly kind: 'letter'; readonly body: string }
  /** An event or letter whose text is damaged; `bytes` in Base64. */
  | { readonly kind: 'damaged'; readonly bytes: string }
  | { readonly kind: 'state'; readonly name: string; readonly value: string };

/**
 * All that is unsettled in a journal, damaged or not, which is not changed. Of a damaged one,
 * or one whose process was killed, every page is searched too: then an event may be among it that
 * was settled before.
 *
 * @throws ConfigError `journal_in_use`; the error of reading the file.
 */
export function* salvage(path: string, busyTimeoutMs = 5000): Generator<Salvaged> {
  if (!existsSync(path)) {
    throw new Error(`JOURNAL_PATH: there is no file ${path}`);
  }
  const known = new Set<string>();
  const whole = yield* asTables(path, busyTimeoutMs, known);
  if (whole) return;
  for (const { rowid, values } of rowsOnPages(path)) {
    const [, second] = values;
    if (isEventRow(values)) yield* once(known, 'e', rowid, eventOf(values));
    else if (values.length === 3 && values[0] === null && typeof second === 'number') {
      yield* once(known, 'l', rowid, letterOf(values[2]));
    }
  }
}

/** What SQLite itself still reads, from both ends of the tables; whether that is all there is. */
function* asTables(
  path: string,
  busyTimeoutMs: number,
  known: Set<string>,
): Generator<Salvaged, boolean> {
  let database: DatabaseSync | undefined;
  let whole = true;
  try {
    database = new DatabaseSync(path, { readOnly: true, timeout: busyTimeoutMs });
    const verdict = database.prepare('PRAGMA quick_check(1)').get();
    // SQLite silently leaves out a -wal from its first damaged byte on.
    const walBytes = statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0;
    whole = walBytes === 0 && Object.values(verdict ?? {})[0] === 'ok';
  } catch (error) {
    if (sqliteCode(error) === SQLITE.busy) {
      throw new ConfigError(
        [`JOURNAL_PATH: ${path} is in use by another process; stop the service first`],
        { code: 'journal_in_use', cause: error },
      );
    }
    whole = false;
  }
  if (database === undefined) return false;
  try {
    const events =
      'SELECT seq, NULL, CAST(event_id AS BLOB), taken_at, CAST(raw AS BLOB), CAST(entry AS BLOB) FROM events ORDER BY seq';
    const letters = 'SELECT seq, NULL, 0, CAST(body AS BLOB) FROM letters ORDER BY seq';
    for (const order of ['', ' DESC']) {
      if (order !== '' && whole) break;
      for (const [seq, values] of rows(database, events + order)) {
        yield* once(known, 'e', seq, isEventRow(values) ? eventOf(values) : damaged(values[3]));
      }
      for (const [seq, values] of rows(database, letters + order)) {
        yield* once(known, 'l', seq, letterOf(values[2]));
      }
    }
    for (const [, values] of rows(
      database,
      'SELECT 0, CAST(name AS BLOB), CAST(value AS BLOB) FROM state',
    )) {
      const [name, value] = values.map(textOf);
      if (name !== undefined && value !== undefined) yield { kind: 'state', name, value };
    }
  } finally {
    database.close();
  }
  return whole;

  /** Ends where SQLite cannot go on. */
  function* rows(from: DatabaseSync, sql: string): Generator<[number, DiskValue[]]> {
    try {
      const statement = from.prepare(sql);
      statement.setReturnArrays(true);
      for (const row of statement.iterate() as Iterable<unknown>) {
        const [seq, ...values] = row as (number | Uint8Array | null)[];
        yield [
          Number(seq),
          values.map((value) => (value instanceof Uint8Array ? Buffer.from(value) : value)),
        ];
      }
    } catch {
      whole = false;
    }
  }
}

type EventRow = readonly [null, Buffer, number, Buffer, Buffer | null];

function isEventRow(values: readonly DiskValue[]): values is EventRow {
  const [seq, eventId, takenAt, raw, entry] = values;
  return (
    values.length === 5 &&
    seq === null &&
    Buffer.isBuffer(eventId) &&
    typeof takenAt === 'number' &&
    Buffer.isBuffer(raw) &&
    typeof entry !== 'number'
  );
}

function eventOf([, id, takenAtMs, rawBytes, entryBytes]: EventRow): Salvaged {
  const eventId = textOf(id) ?? '';
  const raw = jsonOf(rawBytes);
  const entry = entryBytes === null ? undefined : jsonOf(entryBytes);
  const isWhole =
    /^[\x21-\x7e]{1,200}$/.test(eventId) &&
    Number.isSafeInteger(takenAtMs) &&
    Math.abs(takenAtMs) <= 8.64e15 &&
    raw !== undefined &&
    (entryBytes === null || entry !== undefined);
  if (!isWhole) return damaged(rawBytes);
  return { kind: 'event', eventId, takenAtMs, raw, entry };
}

function letterOf(bytes: DiskValue | undefined): Salvaged {
  const body = jsonOf(bytes);
  return body === undefined ? damaged(bytes) : { kind: 'letter', body };
}

function damaged(value: DiskValue | undefined): Salvaged {
  const bytes = Buffer.isBuffer(value) ? value : Buffer.from(String(value));
  return { kind: 'damaged', bytes: bytes.toString('base64') };
}

/** The text of a JSON object; `undefined` when it is damaged. */
function jsonOf(value: DiskValue | undefined): string | undefined {
  const text = textOf(value);
  try {
    return text !== undefined && isJsonObject(JSON.parse(text)) ? text : undefined;
  } catch {
    return undefined;
  }
}

function textOf(value: DiskValue | undefined): string | undefined {
  try {
    return Buffer.isBuffer(value)
      ? new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(value)
      : undefined;
  } catch {
    return undefined;
  }
}

/** The same number may stand for another event after all were settled: what is in it counts too. */
function* once(known: Set<string>, table: string, seq: number, row: Salvaged): Generator<Salvaged> {
  const key = `${table}${seq}${row.kind === 'event' ? row.eventId : row.kind}`;
  if (known.has(key)) return;
  known.add(key);
  yield row;
}
