import { closeSync, existsSync, fstatSync, openSync, readSync } from 'node:fs';

/** A value as it lies on disk: texts are bytes, for they may be no UTF-8 any more. */
export type DiskValue = null | number | Buffer;

export interface DiskRow {
  readonly rowid: number;
  readonly values: readonly DiskValue[];
}

/** SQLite's default, and so of every journal; what a damaged header says may be wrong. */
const PAGE_BYTES = 4096;
const WAL_HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;
const TABLE_LEAF = 0x0d;
/** No row of ours is longer; a damaged length may be anything. */
const MAX_ROW_BYTES = 256 * 1024 * 1024;

/**
 * The rows on every table page of an SQLite file and its -wal that can still be made out, whatever
 * has become of the pages that lead there: https://sqlite.org/fileformat2.html. Pages that are free
 * for certain are left out; a row may come that was deleted, and one may come twice.
 *
 * @throws the error of reading the file.
 */
export function* rowsOnPages(path: string): Generator<DiskRow> {
  const pages = openPages(path);
  try {
    const free = freePages(pages);
    for (let number = 1; number <= pages.count; number += 1) {
      if (!free.has(number)) yield* rowsOf(pages, number);
    }
  } finally {
    pages.close();
  }
}

interface Pages {
  readonly count: number;
  /** The newest image; `undefined` beyond the end. */
  read(number: number): Buffer | undefined;
  close(): void;
}

function openPages(path: string): Pages {
  const main = openSync(path, 'r');
  const wal = existsSync(`${path}-wal`) ? openSync(`${path}-wal`, 'r') : undefined;
  const read = (file: number, at: number, length: number): Buffer | undefined => {
    const buffer = Buffer.alloc(length);
    return readSync(file, buffer, 0, length, at) === length ? buffer : undefined;
  };
  const frames = new Map<number, number>();
  let count = Math.floor(fstatSync(main).size / PAGE_BYTES);
  if (wal !== undefined) {
    const size = fstatSync(wal).size;
    const step = FRAME_HEADER_BYTES + PAGE_BYTES;
    const saltsAt = [16, WAL_HEADER_BYTES + 8, WAL_HEADER_BYTES + 8 + step];
    const salts = majority(saltsAt.map((at) => read(wal, at, 8)));
    // Also those behind a damaged one, which SQLite leaves out.
    for (let at = WAL_HEADER_BYTES; at + step <= size; at += step) {
      const frame = read(wal, at, FRAME_HEADER_BYTES);
      if (frame === undefined || frame.toString('hex', 8, 16) !== salts) continue;
      const number = frame.readUInt32BE(0);
      frames.set(number, at + FRAME_HEADER_BYTES);
      if (number <= count + size / step) count = Math.max(count, number);
    }
  }
  return {
    count,
    read(number) {
      const frame = frames.get(number);
      if (frame !== undefined && wal !== undefined) return read(wal, frame, PAGE_BYTES);
      return read(main, (number - 1) * PAGE_BYTES, PAGE_BYTES);
    },
    close() {
      closeSync(main);
      if (wal !== undefined) closeSync(wal);
    },
  };
}

/** What the -wal's header and its first frames say; one of them may be damaged. */
function majority(found: readonly (Buffer | undefined)[]): string | undefined {
  const texts = found.map((buffer) => buffer?.toString('hex')).filter((text) => text !== undefined);
  return texts.find((text, index) => texts.indexOf(text, index + 1) !== -1) ?? texts.at(-1);
}

/** Nothing, unless the list is whole: a damaged one may name pages that are in use. */
function freePages(pages: Pages): ReadonlySet<number> {
  const none = new Set<number>();
  const first = pages.read(1);
  if (first?.toString('latin1', 0, 15) !== 'SQLite format 3') return none;
  const free = new Set<number>();
  const stated = first.readUInt32BE(36);
  const add = (number: number) => {
    if (number < 2 || number > pages.count || free.has(number)) return false;
    free.add(number);
    return true;
  };
  for (let trunk = first.readUInt32BE(32); trunk !== 0; ) {
    const page = pages.read(trunk);
    if (page === undefined || !add(trunk)) return none;
    const leaves = page.readUInt32BE(4);
    if (leaves > PAGE_BYTES / 4 - 2) return none;
    for (let leaf = 0; leaf < leaves; leaf += 1) {
      if (!add(page.readUInt32BE(8 + 4 * leaf))) return none;
    }
    trunk = page.readUInt32BE(0);
  }
  return free.size === stated ? free : none;
}

function* rowsOf(pages: Pages, number: number): Generator<DiskRow> {
  const page = pages.read(number);
  const start = number === 1 ? 100 : 0;
  if (page?.[start] !== TABLE_LEAF) return;
  const cells = Math.min(page.readUInt16BE(start + 3), (page.length - start - 8) / 2);
  for (let cell = 0; cell < Math.floor(cells); cell += 1) {
    try {
      yield rowAt(pages, page, page.readUInt16BE(start + 8 + 2 * cell));
    } catch {
      // Damaged: the others of this page may be whole.
    }
  }
}

/** @throws when there is no row. */
function rowAt(pages: Pages, page: Buffer, offset: number): DiskRow {
  const length = varint(page, offset);
  const rowid = varint(page, length.end);
  if (length.value > MAX_ROW_BYTES) throw new RangeError('No row is so long');
  return { rowid: rowid.value, values: valuesOf(payload(pages, page, rowid.end, length.value)) };
}

function payload(pages: Pages, page: Buffer, start: number, length: number): Buffer {
  const most = PAGE_BYTES - 35;
  if (length <= most) return slice(page, start, length);
  const least = Math.floor(((PAGE_BYTES - 12) * 32) / 255) - 23;
  const fitting = least + ((length - least) % (PAGE_BYTES - 4));
  const local = fitting <= most ? fitting : least;
  const parts = [slice(page, start, local)];
  let next = slice(page, start + local, 4).readUInt32BE(0);
  for (let left = length - local; left > 0; left -= PAGE_BYTES - 4) {
    const overflow = pages.read(next);
    if (overflow === undefined) throw new RangeError('The rest of the row is missing');
    parts.push(overflow.subarray(4, 4 + Math.min(left, PAGE_BYTES - 4)));
    next = overflow.readUInt32BE(0);
  }
  return Buffer.concat(parts);
}

function valuesOf(record: Buffer): DiskValue[] {
  const header = varint(record, 0);
  const values: DiskValue[] = [];
  let at = header.value;
  for (let next = header.end; next < header.value; ) {
    const { value: type, end } = varint(record, next);
    next = end;
    if (type === 0) values.push(null);
    else if (type === 8 || type === 9) values.push(type - 8);
    else if (type <= 6) {
      const bytes = [0, 1, 2, 3, 4, 6, 8][type] ?? 0;
      values.push(bytes === 8 ? Number(record.readBigInt64BE(at)) : record.readIntBE(at, bytes));
      at += bytes;
    } else if (type >= 12) {
      const bytes = Math.floor((type - 12) / 2);
      values.push(slice(record, at, bytes));
      at += bytes;
    } else throw new RangeError('There is no such type');
  }
  return values;
}

function slice(from: Buffer, start: number, length: number): Buffer {
  if (start + length > from.length) throw new RangeError('Beyond the end');
  return from.subarray(start, start + length);
}

function varint(from: Buffer, start: number): { readonly value: number; readonly end: number } {
  let value = 0;
  for (let at = start; at < start + 8; at += 1) {
    const byte = from.readUInt8(at);
    value = value * 128 + (byte & 0x7f);
    if (byte < 0x80) return { value, end: at + 1 };
  }
  throw new RangeError('No number of ours is so large');
}
