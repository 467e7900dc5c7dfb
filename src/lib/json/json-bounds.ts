const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const SPACE = 0x20;

export interface JsonBounds {
  readonly maxDepth: number;
  /** Objects, lists, and all that is in them. */
  readonly maxValues: number;
}

/** What JSON text would be in memory. */
export interface JsonMeasure {
  /** Exact when the text is JSON, as far as it was looked at. */
  readonly values: number;
  /** The bound that it breaks first, and at which byte. */
  readonly breaks?: { readonly bound: 'depth' | 'values'; readonly offset: number };
}

/**
 * One pass over the bytes and no allocation, so that neither hostile nesting reaches anything
 * recursive, nor millions of values are built to be refused.
 */
export function measureJson(json: Uint8Array, { maxDepth, maxValues }: JsonBounds): JsonMeasure {
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
    if (byte === COMMA || hasJustOpened) {
      values += 1;
      if (values > maxValues) return { values, breaks: { bound: 'values', offset } };
    }
    hasJustOpened = byte === OPEN_OBJECT || byte === OPEN_ARRAY;
    if (hasJustOpened) {
      depth += 1;
      if (depth > maxDepth) return { values, breaks: { bound: 'depth', offset } };
    } else if (byte === QUOTE) {
      inString = true;
    }
  }
  return { values };
}
