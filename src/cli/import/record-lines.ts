import { coerceError } from '../../errors.ts';
import { type CsvDialect, dialectOf } from './csv-dialect.ts';
import { type CsvRow, createCsvRows } from './csv-rows.ts';
import { openTextFile, type TextChunk } from './text-file.ts';

export interface RecordLines {
  /** NDJSON, one line feed per line of the file, so that line numbers are those of the file. */
  readonly bytes: Buffer;
  /** Bytes of the file read so far. */
  readonly bytesRead: number;
  /** Rows that are no record; their lines are blank in `bytes`. */
  readonly refused: readonly RefusedRow[];
}

export interface RefusedRow {
  readonly line: number;
  /** How many it covers. */
  readonly lines: number;
  readonly message: string;
  readonly raw: Buffer;
}

export interface RecordFile {
  readonly encoding: string;
  /** Of CSV. */
  readonly dialect?: CsvDialect;
  /** Can be read once. @throws what keeps it from being read on; `nextLine` says where. */
  readonly pieces: AsyncIterable<RecordLines>;
  /** The first line that is in no piece yet. */
  readonly nextLine: number;
  /** Rows with fewer cells than the header names; the rest of their columns counts as empty. */
  readonly short: { readonly rows: number; readonly firstLine: number };
}

export interface RecordFileOptions {
  readonly delimiter?: string | undefined;
  readonly encoding?: string | undefined;
}

/**
 * A file of records as NDJSON: `.csv` and `.tsv` with a header (empty cells are left out), anything
 * else as it is.
 *
 * @throws Error when it is empty or its header cannot be used; the errors of reading a file.
 */
export async function openRecords(file: string, options: RecordFileOptions): Promise<RecordFile> {
  const { encoding, chunks } = await openTextFile(file, options.encoding);
  if (/\.[ct]sv$/i.test(file)) return openCsv(encoding, chunks, options.delimiter);

  const { first, rest } = await beginning(chunks, 1);
  if (first.bytes.length === 0) throw new Error('the file is empty: there is nothing to import');
  let nextLine = 1;
  async function* pieces(): AsyncGenerator<RecordLines> {
    // Whole lines only: the beginning of one might be a record that was never meant.
    let open: Buffer[] = [];
    let openBytes = 0;
    let bytesRead = 0;
    for await (const chunk of rest) {
      const { bytes } = chunk;
      ({ bytesRead } = chunk);
      const end = bytes.lastIndexOf(10) + 1;
      if (end > 0 || openBytes > MAX_LINE_BYTES) {
        yield { bytes: Buffer.concat([...open, bytes.subarray(0, end)]), bytesRead, refused: [] };
        open = [];
        openBytes = 0;
      }
      open.push(bytes.subarray(end));
      openBytes += bytes.length - end;
      for (let at = bytes.indexOf(10); at !== -1; at = bytes.indexOf(10, at + 1)) nextLine += 1;
    }
    yield { bytes: Buffer.concat(open), bytesRead, refused: [] };
  }
  return {
    encoding,
    pieces: pieces(),
    get nextLine() {
      return nextLine;
    },
    short: { rows: 0, firstLine: 0 },
  };
}

const HEAD_BYTES = 65_536;
/** Of NDJSON; no service takes a longer one. */
const MAX_LINE_BYTES = 104_857_600;

async function openCsv(
  encoding: string,
  chunks: AsyncGenerator<TextChunk>,
  delimiter: string | undefined,
): Promise<RecordFile> {
  const { first, rest } = await beginning(chunks, HEAD_BYTES);
  // One character a byte, so that what is skipped is counted in bytes.
  const dialect = dialectOf(first.bytes.toString('latin1'), delimiter);
  const rows = createCsvRows(dialect.delimiter, dialect.skip > 0 ? 2 : 1);
  const short = { rows: 0, firstLine: 0 };

  async function* batches(): AsyncGenerator<{ rows: CsvRow[]; bytesRead: number }> {
    let { bytesRead } = first;
    let { skip } = dialect;
    for await (const chunk of rest) {
      ({ bytesRead } = chunk);
      yield { rows: await rows.push(chunk.bytes.subarray(skip)), bytesRead };
      skip = 0;
    }
    yield { rows: await rows.end(), bytesRead };
  }

  const source = batches();
  let header: readonly string[] | undefined;
  let others: CsvRow[] = [];
  let bytesRead = 0;
  while (header === undefined) {
    const next = await source.next().catch((error: unknown) => {
      throw new Error(`line ${rows.nextLine}: ${coerceError(error).message}`, { cause: error });
    });
    if (next.done === true) throw new Error('the file is empty: there is nothing to import');
    const [top, ...below] = next.value.rows;
    if (top !== undefined) header = checkedHeader(top);
    others = below;
    ({ bytesRead } = next.value);
  }
  const toLines = createRowWriter(header, short);

  async function* pieces(): AsyncGenerator<RecordLines> {
    yield { ...toLines(others), bytesRead };
    others = [];
    for await (const batch of source) {
      yield { ...toLines(batch.rows), bytesRead: batch.bytesRead };
    }
  }
  return {
    encoding,
    dialect,
    pieces: pieces(),
    get nextLine() {
      return rows.nextLine;
    },
    short,
  };
}

function createRowWriter(
  header: readonly string[],
  short: { rows: number; firstLine: number },
): (rows: readonly CsvRow[]) => { bytes: Buffer; refused: RefusedRow[] } {
  // A blank line for the header: also a file without a record has a body then.
  let text = '\n';
  let written = 1;

  return (rows) => {
    const refused: RefusedRow[] = [];
    for (const row of rows) {
      const { line, lines, raw, cells } = row;
      const message = row.problem ?? whyNoRecord(row, header.length);
      if (message !== undefined) {
        refused.push({ line, lines, message, raw });
        continue;
      }
      if (cells.length < header.length) {
        if (short.rows === 0) short.firstLine = line;
        short.rows += 1;
      }
      const filled = header.flatMap((name, index) => {
        const cell = cells[index] ?? '';
        return cell === '' ? [] : [[name, cell]];
      });
      // What is no record is a blank line.
      text += `${'\n'.repeat(line - 1 - written)}${JSON.stringify(Object.fromEntries(filled))}\n`;
      written = line;
    }
    const bytes = Buffer.from(text);
    text = '';
    return { bytes, refused };
  };
}

function whyNoRecord({ cells, lines }: CsvRow, columns: number): string | undefined {
  if (cells.slice(columns).some((cell) => cell.trim() !== '')) {
    return `has ${cells.length} cells, the header has ${columns}`;
  }
  if (cells.length < columns && lines > 1) {
    return `has ${cells.length} cells on ${lines} lines, the header has ${columns}: is a quote not closed?`;
  }
  return undefined;
}

function checkedHeader({ line, cells, problem }: CsvRow): readonly string[] {
  if (problem !== undefined) throw new Error(`line ${line}: the header ${problem}`);
  const names = cells.map((cell) => cell.trim());
  while (names.at(-1) === '') names.pop();
  if (names.some((name) => name.includes('\0'))) {
    throw new Error(`line ${line}: the header holds NUL: is the file in --encoding utf-16le?`);
  }
  const bad = names.findIndex(
    (name, index) => name === '' || name === '__proto__' || names.indexOf(name) !== index,
  );
  if (bad >= 0) {
    throw new Error(
      `line ${line}: column ${bad + 1} of the header is ${JSON.stringify(names[bad])}; allowed: names that are not empty (at the end they may be), not twice there, and not __proto__`,
    );
  }
  return names;
}

/**
 * The first chunks as one: `minBytes`, unless there are fewer. `rest` begins with them, and throws
 * what was wrong after them.
 */
async function beginning(
  chunks: AsyncGenerator<TextChunk>,
  minBytes: number,
): Promise<{ first: TextChunk; rest: AsyncIterable<TextChunk> }> {
  let bytes = Buffer.alloc(0);
  let bytesRead = 0;
  let failure: Error | undefined;
  try {
    while (bytes.length < minBytes) {
      const next = await chunks.next();
      if (next.done === true) break;
      bytes = Buffer.concat([bytes, next.value.bytes]);
      ({ bytesRead } = next.value);
    }
  } catch (error) {
    failure = coerceError(error);
    if (bytes.length === 0) throw failure;
  }
  const first = { bytes, bytesRead };

  async function* rest(): AsyncGenerator<TextChunk> {
    yield first;
    if (failure !== undefined) throw failure;
    yield* chunks;
  }
  return { first, rest: rest() };
}
