import { readJson } from '../../lib/json/exact-json.ts';
import { Problem } from '../problem.ts';

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

/** @throws Problem 400 that says what is wrong without quoting the text. */
export function parseJsonBody(body: Buffer, maxDepth: number): unknown {
  const tooDeepAt = offsetTooDeep(body, maxDepth);
  if (tooDeepAt >= 0) {
    throw new Problem(
      400,
      'json_too_deep',
      `The body nests deeper than ${maxDepth} levels at byte ${tooDeepAt}.`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new Problem(400, 'invalid_utf8', 'The body is not valid UTF-8.', { cause: error });
  }
  if (hasProtoKey(text)) {
    throw new Problem(400, 'json_forbidden_key', 'The body has a key "__proto__".');
  }
  try {
    return readJson(text);
  } catch (error) {
    // The engine's message quotes the payload; only its position may go into answers and logs.
    const position =
      error instanceof Error ? /at position \d+/.exec(error.message)?.[0] : undefined;
    const where = position === undefined ? '' : ` ${position.replace('position', 'character')}`;
    throw new Problem(400, 'invalid_json', `The body is not valid JSON${where}.`);
  }
}
