const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;

/**
 * The offset at which JSON text nests deeper than `maxDepth`, or -1. One pass over the bytes and
 * no allocation, so that hostile nesting never reaches anything recursive.
 */
export function offsetTooDeep(json: Uint8Array, maxDepth: number): number {
  let depth = 0;
  let inString = false;
  for (let offset = 0; offset < json.length; offset += 1) {
    const byte = json[offset];
    if (inString) {
      if (byte === BACKSLASH) offset += 1;
      else if (byte === QUOTE) inString = false;
    } else if (byte === QUOTE) {
      inString = true;
    } else if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) {
      depth += 1;
      if (depth > maxDepth) return offset;
    } else if (byte === CLOSE_OBJECT || byte === CLOSE_ARRAY) {
      depth -= 1;
    }
  }
  return -1;
}

// As in secure-json-parse: the key, with any of its letters escaped.
const PROTO_KEY =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"\s*:/;

/** Whether a key of the JSON text is `__proto__`, which has no honest use and poisons copies. */
export function hasProtoKey(json: string): boolean {
  return PROTO_KEY.test(json);
}
