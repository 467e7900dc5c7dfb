const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

/** What JSON text would be in memory. */
export interface JsonSize {
  /** Objects, lists, and all that is in them; exact when the text is JSON, up to `tooDeepAt`. */
  readonly values: number;
  /** The offset at which it nests deeper than allowed. */
  readonly tooDeepAt: number | undefined;
}

/**
 * One pass over the bytes and no allocation, so that neither hostile nesting reaches anything
 * recursive, nor millions of values are built to be refused.
 */
export function measureJson(json: Uint8Array, maxDepth: number): JsonSize {
  let depth = 0;
  let values = 1;
  let inString = false;
  // The first of a list or object follows its bracket, every other one a comma.
  let hasJustOpened = false;
  for (let offset = 0; offset < json.length; offset += 1) {
    const byte = json[offset] ?? 0;
    if (inString) {
      if (byte === BACKSLASH) offset += 1;
      else if (byte === QUOTE) inString = false;
      continue;
    }
    if (byte <= SPACE) continue;
    if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
      hasJustOpened = false;
      continue;
    }
    if (byte === COMMA || hasJustOpened) values += 1;
    hasJustOpened = byte === OPEN_OBJECT || byte === OPEN_ARRAY;
    if (hasJustOpened) {
      depth += 1;
      if (depth > maxDepth) return { values, tooDeepAt: offset };
    } else if (byte === QUOTE) {
      inString = true;
    }
  }
  return { values, tooDeepAt: undefined };
}
