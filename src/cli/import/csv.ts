/** A row as its cells, and the number of the row in the file: the header is row 1. */
export interface CsvRow {
  readonly row: number;
  readonly cells: readonly string[];
}

/** The text is no CSV: `row` says where. */
export class CsvError extends Error {
  override name = 'CsvError';
  readonly row: number;

  constructor(row: number, problem: string) {
    super(`row ${row}: ${problem}`);
    this.row = row;
  }
}

export interface CsvParser {
  /** @throws CsvError */
  push(text: string): CsvRow[];
  /** The file ended. @throws CsvError when it ended within quotes. */
  end(): CsvRow[];
}

const MAX_ROW_LENGTH = 10_000_000;

/**
 * RFC 4180, in pieces cut anywhere: quoted cells with line breaks and doubled quotes, CRLF or LF, a
 * byte order mark. Blank lines yield nothing, but count as rows, as they do in a spreadsheet.
 */
export function createCsvParser(delimiter = ','): CsvParser {
  let row = 1;
  let cells: string[] = [];
  let cell = '';
  /** `quote`: a quote within quotes, which ends them or is the first of two. */
  let state: 'start' | 'plain' | 'quoted' | 'quote' = 'start';
  let isFirst = true;
  let length = 0;

  function endCell(): void {
    cells.push(cell);
    cell = '';
    state = 'start';
  }

  function endRow(rows: CsvRow[]): void {
    // The carriage return of CRLF came with the last cell.
    if (cell.endsWith('\r') && state === 'plain') cell = cell.slice(0, -1);
    const isBlank = cells.length === 0 && cell === '' && state !== 'quote';
    endCell();
    if (!isBlank) rows.push({ row, cells });
    cells = [];
    row += 1;
    length = 0;
  }

  function take(char: string, rows: CsvRow[]): void {
    length += 1;
    if (length > MAX_ROW_LENGTH) {
      throw new CsvError(row, `longer than ${MAX_ROW_LENGTH} characters: is a quote not closed?`);
    }
    if (state === 'quoted') {
      if (char === '"') state = 'quote';
      else cell += char;
    } else if (state === 'quote' && char === '"') {
      cell += char;
      state = 'quoted';
    } else if (char === '\n') {
      endRow(rows);
    } else if (char === delimiter) {
      endCell();
    } else if (state === 'quote') {
      if (char !== '\r') throw new CsvError(row, 'text after a closing quote');
    } else if (state === 'start' && char === '"') {
      state = 'quoted';
    } else {
      cell += char;
      state = 'plain';
    }
  }

  return {
    push(text) {
      const rows: CsvRow[] = [];
      const start = isFirst && text.startsWith('\uFEFF') ? 1 : 0;
      if (text !== '') isFirst = false;
      for (let index = start; index < text.length; index += 1) take(text.charAt(index), rows);
      return rows;
    },
    end() {
      if (state === 'quoted') throw new CsvError(row, 'a quote is not closed');
      const rows: CsvRow[] = [];
      if (cells.length > 0 || cell !== '' || state !== 'start') endRow(rows);
      return rows;
    },
  };
}
