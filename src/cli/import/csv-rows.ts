import { isUtf8 } from 'node:buffer';
import { promisify } from 'node:util';
import { CsvError, type Options, parse } from 'csv-parse';
import { parse as parseAtOnce } from 'csv-parse/sync';

/** A row that is not blank; `problem` says why it cannot be read, and then it has no cells. */
export interface CsvRow {
  /** On which it begins, from 1, as an editor counts. */
  readonly line: number;
  /** How many it covers: more than one where line breaks stand in quotes. */
  readonly lines: number;
  readonly cells: readonly string[];
  /** As it came, without its line end. */
  readonly raw: Buffer;
  readonly problem?: string;
}

export interface CsvRows {
  push(bytes: Buffer): Promise<CsvRow[]>;
  /** The file ended. @throws Error when it ended within quotes. */
  end(): Promise<CsvRow[]>;
  /** The line on which the next row begins. */
  readonly nextLine: number;
}

const MAX_ROW_BYTES = 10_000_000;

/**
 * Rows of UTF-8 bytes that are cut anywhere, with line ends of any kind. A quote within a cell that
 * does not begin with one is a character; text after a closing quote spoils its row, and what is
 * read goes on with the next line.
 */
export function createCsvRows(delimiter: string, firstLine = 1): CsvRows {
  let rows: CsvRow[] = [];
  let nextLine = firstLine;
  /** Of a row that has no end yet. */
  let openBytes = 0;
  const options: Options = {
    // Byte by byte, so that bytes that are no UTF-8 are seen as what they are.
    encoding: 'latin1',
    delimiter: Buffer.from(delimiter).toString('latin1'),
    record_delimiter: ['\r\n', '\n', '\r'],
    relax_column_count: true,
    raw: true,
  };
  const parser = parse({
    ...options,
    relax_quotes: true,
    on_record: (row) => take(row as unknown as { readonly record: string[]; readonly raw: string }),
  });
  // Errors come back from `write` and `end`.
  parser.on('error', () => undefined);
  const write = promisify<Buffer, void>((bytes, done) => void parser.write(bytes, done));
  const end = promisify((done: (error?: Error | null) => void) => void parser.end(done));

  function take({ record, raw: ended }: { readonly record: string[]; readonly raw: string }): null {
    const raw = ended.replace(/[\r\n]$/, '');
    const lines = 1 + (raw.match(/\r\n|\r|\n/g)?.length ?? 0);
    const line = nextLine;
    nextLine += lines;
    // Spreadsheets end files with rows of delimiters: there is nothing in them.
    if (record.every((cell) => cell.trim() === '')) return null;
    const bytes = Buffer.from(raw, 'latin1');
    const problem = problemOf(bytes, record);
    if (problem !== undefined) rows.push({ line, lines, cells: [], raw: bytes, problem });
    else rows.push({ line, lines, cells: record.map(textOf), raw: bytes });
    return null;
  }

  function problemOf(raw: Buffer, record: readonly string[]): string | undefined {
    if (!isUtf8(raw)) {
      return 'is not UTF-8: give the encoding of the file, such as --encoding windows-1252';
    }
    // The parser leaves the quotes in a cell that goes on after its closing quote.
    if (!record.some((cell) => cell.startsWith('"')) || isWellQuoted(raw)) return undefined;
    return 'has text after a closing quote: quotes within quotes are doubled';
  }

  function isWellQuoted(raw: Buffer): boolean {
    let isGood = true;
    parseAtOnce(raw, {
      ...options,
      skip_records_with_error: true,
      on_skip: (error) => {
        isGood &&= (error?.code as string | undefined) === 'INVALID_OPENING_QUOTE';
      },
    });
    return isGood;
  }

  function taken(): CsvRow[] {
    const these = rows;
    rows = [];
    return these;
  }

  return {
    async push(bytes) {
      const before = nextLine;
      await write(bytes);
      openBytes = nextLine === before ? openBytes + bytes.length : 0;
      if (openBytes > MAX_ROW_BYTES) {
        throw new Error(`is longer than ${MAX_ROW_BYTES} bytes: is a quote not closed?`);
      }
      return taken();
    },
    async end() {
      try {
        await end();
      } catch (error) {
        if (error instanceof CsvError && error.code === 'CSV_QUOTE_NOT_CLOSED') {
          throw new Error('a quote is not closed', { cause: error });
        }
        throw error;
      }
      return taken();
    },
    get nextLine() {
      return nextLine;
    },
  };
}

/** Nearly all cells are ASCII, which is the same in both. */
function textOf(latin1: string): string {
  return /[^\0-\x7f]/.test(latin1) ? Buffer.from(latin1, 'latin1').toString('utf8') : latin1;
}
