import { isUtf8 } from 'node:buffer';
import { readJson } from './exact-json.ts';

export type BadLineReason = 'not JSON' | 'not UTF-8' | 'too deep' | 'too long' | 'incomplete';

/** One line of a JSON Lines body; `line` counts from 1 and includes blank lines. */
export type JsonLine =
  | { readonly line: number; readonly ok: true; readonly value: unknown; readonly bytes: number }
  | {
      readonly line: number;
      readonly ok: false;
      /** The line as it came, cut at `maxErrorBytes` between two characters: see `rawText`. */
      readonly text: string;
      readonly bytes: number;
      readonly reason: BadLineReason;
    };

export interface JsonLinesOptions {
  /** A longer line is skipped to its end and reported; memory stays bounded. */
  readonly maxLineBytes: number;
  /** How much of a bad line is kept, in bytes. Default 4096. */
  readonly maxErrorBytes?: number;
}

/**
 * Deepest nesting of a line. Twice what a JSON body may have by default, which leaves room for a
 * list of events in a line; far below the some thousand levels at which what is recursive breaks
 * (JSON.stringify, schemas, expressions), and no record or event of Genesys comes near it.
 */
export const MAX_LINE_DEPTH = 128;

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

  function bad(kept: Buffer, bytes: number, reason: BadLineReason): JsonLine {
    const shown = kept.subarray(0, maxErrorBytes);
    const text = rawText(shown.length < bytes ? withoutPartialCharacter(shown) : shown);
    return { line, ok: false, text, bytes, reason };
  }

  function keep(piece: Buffer): void {
    if (piece.length === 0) return;
    const wasTooLong = lineBytes > options.maxLineBytes;
    lineBytes += piece.length;
    if (wasTooLong && keptBytes >= maxErrorBytes) return;
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
    const reason = cutOff ? 'incomplete' : whyUnreadable(text, buffer, start, end);
    if (reason !== undefined) {
      lines.push(bad(buffer.subarray(start, end), bytes, reason));
      return;
    }
    try {
      lines.push({ line, ok: true, value: readJson(text), bytes });
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

/** Bytes as text; as a data URL in base64 where they are no UTF-8, so that none of them is lost. */
export function rawText(bytes: Buffer): string {
  if (isUtf8(bytes)) return bytes.toString('utf8');
  return `data:application/octet-stream;base64,${bytes.toString('base64')}`;
}

/** What is wrong before JSON is looked at; `text` is what was decoded of `buffer`. */
function whyUnreadable(
  text: string,
  buffer: Buffer,
  start: number,
  end: number,
): BadLineReason | undefined {
  // Decoding puts U+FFFD for bytes that are none, but it may have come as a character, too.
  if (text.includes('\uFFFD') && !isUtf8(buffer.subarray(start, end))) return 'not UTF-8';
  return isTooDeep(text) ? 'too deep' : undefined;
}

const OPENING = ['{', '['];

/**
 * Whether JSON text nests deeper than so many levels. Nearly every line has too few brackets for
 * that, which costs next to nothing to find.
 */
export function isTooDeep(text: string, maxDepth: number = MAX_LINE_DEPTH): boolean {
  let left = maxDepth;
  for (const bracket of OPENING) {
    for (let at = text.indexOf(bracket); at !== -1; at = text.indexOf(bracket, at + 1)) {
      left -= 1;
      if (left < 0) return isNestedTooDeep(text, maxDepth);
    }
  }
  return false;
}

function isNestedTooDeep(text: string, maxDepth: number): boolean {
  let depth = 0;
  let inString = false;
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (inString) {
      if (char === '\\') at += 1;
      else if (char === '"') inString = false;
    } else if (char === '"') {
      inString = true;
    } else if (char === '{' || char === '[') {
      depth += 1;
      if (depth > maxDepth) return true;
    } else if (char === '}' || char === ']') {
      depth -= 1;
    }
  }
  return false;
}

/** Bytes that were cut anywhere, without the beginning of a UTF-8 character at their end. */
function withoutPartialCharacter(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0;
    if (byte < 0x80) return bytes;
    if (byte < 0xc0) continue;
    const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2;
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes;
  }
  return bytes;
}
