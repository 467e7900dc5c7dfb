import { readJson } from '../../lib/json/exact-json.ts';
import { type JsonBounds, measureJson } from '../../lib/json/json-bounds.ts';
import { Problem } from '../problem.ts';
import type { HeldBody } from './held-memory.ts';
import { tooLarge } from './too-large.ts';

/** What an object, a list or a member takes in memory; texts are about as long as in the body. */
export const BYTES_PER_VALUE = 64;

// As in secure-json-parse: the key, with any of its letters escaped.
const PROTO_KEY =
  /"(?:_|\\u005[Ff]){2}(?:p|\\u0070)(?:r|\\u0072)(?:o|\\u006[Ff])(?:t|\\u0074)(?:o|\\u006[Ff])(?:_|\\u005[Ff]){2}"\s*:/;

/** Whether a key of the JSON text is `__proto__`, which has no honest use and poisons copies. */
export function hasProtoKey(json: string): boolean {
  return PROTO_KEY.test(json);
}

/**
 * @param options.held takes what the values will need, before they are built
 * @throws Problem 400 that says what is wrong without quoting the text, 413 or 503
 */
export function parseJsonBody(
  body: Buffer,
  options: JsonBounds & { readonly held: HeldBody; readonly streams: readonly string[] },
): unknown {
  const { maxDepth, maxValues, held, streams } = options;
  const { values, breaks } = measureJson(body, options);
  if (breaks?.bound === 'depth') {
    throw new Problem(
      400,
      'json_too_deep',
      `The body nests deeper than ${maxDepth} levels at byte ${breaks.offset}.`,
    );
  }
  if (breaks !== undefined) {
    throw tooLarge(`has more than ${maxValues} values`, { maxValues }, streams);
  }
  held.take(values * BYTES_PER_VALUE);
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
