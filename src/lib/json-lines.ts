/** One line of a JSON Lines body; `line` counts from 1 and includes blank lines. */
export type JsonLine =
  | { readonly line: number; readonly ok: true; readonly value: unknown; readonly bytes: number }
  | {
      readonly line: number;
      readonly ok: false;
      /** The line as it came, cut at `maxErrorBytes`. */
      readonly text: string;
      readonly bytes: number;
      readonly reason: 'not JSON' | 'too long' | 'incomplete';
    };

export interface JsonLinesOptions {
  /** A longer line is skipped to its end and reported; memory stays bounded. */
  readonly maxLineBytes: number;
  /** How much of a bad line is kept, in bytes. Default 4096. */
  readonly maxErrorBytes?: number;
}

const LINE_FEED = 10;

/**
 * Turns byte chunks, cut anywhere (inside a line, inside a UTF-8 character), into parsed lines.
 * Blank lines yield nothing. One array per chunk, so that callers work in batches.
 */
export interface JsonLinesParser {
  push(chunk: Uint8Array): JsonLine[];
  /**
   * The body ended. A last line without line feed is parsed when `complete` (a file), and reported
   * as incomplete otherwise (a connection that broke).
   */
  end(complete: boolean): JsonLine[];
}

export function createJsonLinesParser(options: JsonLinesOptions): JsonLinesParser {
  const maxErrorBytes = options.maxErrorBytes ?? 4096;
  let pieces: Buffer[] = [];
  let lineBytes = 0;
  let keptBytes = 0;
  let line = 0;

  function bad(text: Buffer, bytes: number, reason: 'not JSON' | 'too long' | 'incomplete') {
    const shown = text.subarray(0, maxErrorBytes).toString('utf8');
    return { line, ok: false, text: shown, bytes, reason } as const;
  }

  function keep(piece: Buffer): void {
    if (piece.length === 0) return;
    lineBytes += piece.length;
    pieces.push(piece);
    keptBytes += piece.length;
    if (lineBytes <= options.maxLineBytes) return;
    // Too long: only the beginning is kept. A copy, so that it does not hold the rest in memory.
    keptBytes = Math.min(keptBytes, maxErrorBytes);
    pieces = [Buffer.concat(pieces, keptBytes)];
  }

  function finish(lines: JsonLine[], cutOff = false): void {
    const [first] = pieces;
    const bytes = first === undefined || pieces.length === 1 ? first : Buffer.concat(pieces);
    const total = lineBytes;
    pieces = [];
    lineBytes = 0;
    keptBytes = 0;
    if (bytes === undefined) {
      line += 1;
    } else if (total > options.maxLineBytes) {
      line += 1;
      lines.push(bad(bytes, total, 'too long'));
    } else {
      read(lines, bytes, 0, total, cutOff);
    }
  }

  /** A whole line, which lies in `buffer` from `start` to `end`. */
  function read(
    lines: JsonLine[],
    buffer: Buffer,
    start: number,
    end: number,
    cutOff = false,
  ): void {
    line += 1;
    // Files from Windows often begin with a byte order mark, which JSON.parse refuses.
    const decoded = buffer.toString('utf8', start, end);
    const text = line === 1 && decoded.startsWith('\uFEFF') ? decoded.slice(1) : decoded;
    if (text.trim() === '') return;
    const bytes = end - start;
    if (cutOff) {
      lines.push(bad(buffer.subarray(start, end), bytes, 'incomplete'));
      return;
    }
    try {
      lines.push({ line, ok: true, value: JSON.parse(text) as unknown, bytes });
    } catch {
      lines.push(bad(buffer.subarray(start, end), bytes, 'not JSON'));
    }
  }

  return {
    push(chunk) {
      const lines: JsonLine[] = [];
      const buffer = Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength);
      let start = 0;
      for (
        let end = buffer.indexOf(LINE_FEED, start);
        end !== -1;
        end = buffer.indexOf(LINE_FEED, start)
      ) {
        if (lineBytes === 0 && end - start <= options.maxLineBytes) {
          // Nearly every line lies in one chunk: it is read where it is.
          read(lines, buffer, start, end);
        } else {
          keep(buffer.subarray(start, end));
          finish(lines);
        }
        start = end + 1;
      }
      keep(buffer.subarray(start));
      return lines;
    },
    end(complete) {
      const lines: JsonLine[] = [];
      if (pieces.length > 0) finish(lines, !complete);
      return lines;
    },
  };
}
