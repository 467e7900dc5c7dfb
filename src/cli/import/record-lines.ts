import { createReadStream } from 'node:fs';
import { type CsvRow, createCsvParser } from './csv.ts';

export interface RecordLines {
  /** Its NDJSON, one line feed per source line, so that line numbers are those of the file. */
  readonly text: string;
  /** Bytes of the file read so far. */
  readonly bytesRead: number;
}

/**
 * A file of records as NDJSON, in pieces: `.csv` with a header (empty cells are left out), anything
 * else as it is. The n-th line that is sent is the n-th line (of CSV: row) of the file.
 *
 * @throws CsvError; the errors of reading a file.
 */
export async function* readRecordLines(
  file: string,
  delimiter?: string,
): AsyncGenerator<RecordLines> {
  const stream = createReadStream(file, { encoding: 'utf8', highWaterMark: 65_536 });
  if (!file.toLowerCase().endsWith('.csv')) {
    for await (const chunk of stream) yield { text: String(chunk), bytesRead: stream.bytesRead };
    return;
  }
  const parser = createCsvParser(delimiter);
  const toLines = createRowWriter();
  for await (const chunk of stream) {
    yield { text: toLines(parser.push(String(chunk))), bytesRead: stream.bytesRead };
  }
  yield { text: toLines(parser.end()), bytesRead: stream.bytesRead };
}

function createRowWriter(): (rows: readonly CsvRow[]) => string {
  let header: readonly string[] | undefined;
  let written = 0;

  return (rows) => {
    let text = '';
    for (const { row, cells } of rows) {
      let line = '';
      if (header === undefined) {
        header = checkedHeader(cells, row);
      } else {
        line = JSON.stringify(toRecord(header, cells));
      }
      // Blank rows, and the header, are blank lines.
      text += `${'\n'.repeat(row - 1 - written)}${line}\n`;
      written = row;
    }
    return text;
  };
}

/** A row that is too long for its header is sent as a list, which the service rejects by its line. */
function toRecord(header: readonly string[], cells: readonly string[]): unknown {
  if (cells.length > header.length) return cells;
  const filled = cells.flatMap((cell, index) => (cell === '' ? [] : [[header[index], cell]]));
  return Object.fromEntries(filled) as unknown;
}

function checkedHeader(cells: readonly string[], row: number): readonly string[] {
  const names = cells.map((cell) => cell.trim());
  const bad = names.findIndex(
    (name, index) => name === '' || name === '__proto__' || names.indexOf(name) !== index,
  );
  if (bad >= 0) {
    throw new Error(
      `row ${row}: column ${bad + 1} of the header is ${JSON.stringify(names[bad])}; allowed: names that are not empty, not twice there, and not __proto__`,
    );
  }
  return names;
}
