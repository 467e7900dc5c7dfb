/**
 * JSONata's common functions for the compiler (expression-compiler.ts): the plain cases only.
 * Whatever else a function does, a coercion, a type error, a pattern, `leaveToInterpreter` decides.
 */

/** Thrown when only the interpreter knows what happens; made once, as it carries no facts. */
const UNUSUAL = new Error('Left to the interpreter');

export function leaveToInterpreter(): never {
  throw UNUSUAL;
}

export type Builtin = (...args: unknown[]) => unknown;

/** Effective boolean value, `$boolean`. */
export function toBoolean(value: unknown): boolean | undefined {
  switch (typeof value) {
    case 'undefined':
      return undefined;
    case 'boolean':
      return value;
    case 'string':
      return value !== '';
    case 'number':
      return value !== 0;
    default:
      return value === null ? false : leaveToInterpreter();
  }
}

/** `$string` of a scalar, as JSON text; numbers with at most 15 digits. */
export function toText(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return value;
    case 'number':
      if (!Number.isFinite(value)) return leaveToInterpreter();
      return JSON.stringify(Number.isInteger(value) ? value : Number(value.toPrecision(15)));
    case 'boolean':
      return String(value);
    default:
      return value === null ? 'null' : leaveToInterpreter();
  }
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : leaveToInterpreter();
}

export function finite(value: unknown): number {
  // -0 turns into 0 on its way through JSON.
  if (typeof value !== 'number' || !Number.isFinite(value) || Object.is(value, -0)) {
    return leaveToInterpreter();
  }
  return value;
}

function texts(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (!Array.isArray(value)) return leaveToInterpreter();
  return value.map(text);
}

/** Functions of one missing argument are missing. */
function ofOne(implementation: (value: unknown) => unknown): Builtin {
  return (value) => (value === undefined ? undefined : implementation(value));
}

/** Of a text and a second text, whose type counts even when the first is missing. */
function ofTwoTexts(implementation: (value: string, second: string) => unknown): Builtin {
  return (value, second) => {
    const checked = text(second);
    return value === undefined ? undefined : implementation(text(value), checked);
  };
}

/** By name and number of arguments; other numbers of arguments take the context as an argument. */
export const BUILTINS: ReadonlyMap<string, Builtin> = new Map<string, Builtin>([
  ['string/1', ofOne(toText)],
  ['uppercase/1', ofOne((value) => text(value).toUpperCase())],
  ['lowercase/1', ofOne((value) => text(value).toLowerCase())],
  ['length/1', ofOne((value) => Array.from(text(value)).length)],
  ['trim/1', ofOne((value) => trim(text(value)))],
  [
    'substring/2',
    (value, start) => {
      const from = finite(start);
      return value === undefined ? undefined : substring(text(value), from);
    },
  ],
  [
    'substring/3',
    (value, start, length) => {
      const from = finite(start);
      const size = finite(length);
      return value === undefined ? undefined : substring(text(value), from, size);
    },
  ],
  ['substringBefore/2', ofTwoTexts((value, mark) => before(value, mark))],
  ['substringAfter/2', ofTwoTexts((value, mark) => after(value, mark))],
  ['contains/2', ofTwoTexts((value, part) => value.includes(part))],
  ['split/2', ofTwoTexts((value, separator) => value.split(separator))],
  ['join/1', ofOne((values) => texts(values).join(''))],
  [
    'join/2',
    (values, separator) => {
      const mark = text(separator);
      return values === undefined ? undefined : texts(values).join(mark);
    },
  ],
  ['number/1', ofOne(toNumber)],
  ['floor/1', ofOne((value) => finite(Math.floor(finite(value))))],
  ['ceil/1', ofOne((value) => finite(Math.ceil(finite(value))))],
  ['abs/1', ofOne((value) => Math.abs(finite(value)))],
  ['boolean/1', toBoolean],
  ['not/1', ofOne((value) => !(toBoolean(value) ?? false))],
  ['exists/1', (value) => value !== undefined],
  ['count/1', count],
  ['fromMillis/1', ofOne((value) => fromMillis(finite(value)))],
  ['toMillis/1', ofOne((value) => toMillis(text(value)))],
]);

function trim(value: string): string {
  return value
    .replaceAll(/[ \t\n\r]+/g, ' ')
    .replace(/^ /, '')
    .replace(/ $/, '');
}

function before(value: string, mark: string): string {
  const at = value.indexOf(mark);
  return at === -1 ? value : value.slice(0, at);
}

function after(value: string, mark: string): string {
  const at = value.indexOf(mark);
  return at === -1 ? value : value.slice(at + mark.length);
}

/** Years 1970 to 9999; the two engines print others differently. */
function fromMillis(millis: number): string {
  const isUsual = Number.isInteger(millis) && millis >= 0 && millis < 253_402_300_800_000;
  return isUsual ? new Date(millis).toISOString() : leaveToInterpreter();
}

/** Full timestamps in UTC; the other forms are the interpreter's. */
function toMillis(timestamp: string): number {
  return /^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d:[0-5]\d(\.\d+)?Z$/.test(timestamp)
    ? finite(Date.parse(timestamp))
    : leaveToInterpreter();
}

function count(value: unknown): number {
  if (value === undefined) return 0;
  return Array.isArray(value) ? value.length : 1;
}

function toNumber(value: unknown): number {
  if (typeof value === 'number') return value;
  if (typeof value === 'boolean') return value ? 1 : 0;
  // Other forms (hexadecimal, overflow, errors) are the interpreter's.
  if (!/^-?\d+(?:\.\d+)?(?:[Ee][-+]?\d+)?$/.test(text(value))) return leaveToInterpreter();
  return finite(Number.parseFloat(text(value)));
}

/** By Unicode characters, not UTF-16 units; a negative start counts from the end. */
function substring(value: string, start: number, length?: number): string {
  const characters = Array.from(value);
  const from = characters.length + start < 0 ? 0 : start;
  if (length === undefined) return characters.slice(from).join('');
  if (length <= 0) return '';
  const end = from >= 0 ? from + length : characters.length + from + length;
  return characters.slice(from, end).join('');
}
