/**
 * JSON whose numbers keep their digits. One that JavaScript cannot hold (beyond 2^53, more digits
 * than a double has, beyond its range) is read as the text of its digits and remembered beside its
 * object, so that it can be written again as it came, or refused.
 */

/** The names of such numbers, by the object or list that has them. */
const marked = new WeakMap<object, Set<string>>();
/** What has such a number anywhere in it. */
const touched = new WeakSet();
/** The digits behind a stand-in of `withStandIns`. */
const standIns = new WeakMap<object, string>();

/** @throws SyntaxError as JSON.parse does. @param text must be bounded in depth. */
export function readJson(text: string): unknown {
  return mayHaveLongNumber(text)
    ? JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown)
    : JSON.parse(text);
}

/** As JSON.stringify; numbers that `readJson` kept in `part` of the value come out as they came. */
export function writeJson(value: unknown, part: unknown = value): string {
  return hasLongNumber(part) ? JSON.stringify(value, asItCame) : JSON.stringify(value);
}

/** Whether `readJson` kept the digits of a number anywhere in the value. */
export function hasLongNumber(value: unknown): value is object {
  return typeof value === 'object' && value !== null && touched.has(value);
}

/** JSON Pointers of the numbers that are text now, at most `max`. */
export function longNumbersOf(value: unknown, max: number, at = ''): string[] {
  if (!hasLongNumber(value)) return [];
  const found: string[] = [];
  for (const [name, member] of Object.entries(value)) {
    const pointer = `${at}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (marked.get(value)?.has(name) === true) found.push(pointer);
    else found.push(...longNumbersOf(member, max - found.length, pointer));
    if (found.length >= max) break;
  }
  return found;
}

/** A copy in which an object without members stands for each number that is text now. */
export function withStandIns(value: unknown): unknown {
  if (!hasLongNumber(value)) return value;
  const names = marked.get(value);
  const members = Object.entries(value).map(([name, member]: [string, unknown]) => {
    if (names?.has(name) !== true) return [name, withStandIns(member)] as const;
    return [name, standInFor(String(member))] as const;
  });
  return Array.isArray(value) ? members.map(([, member]) => member) : Object.fromEntries(members);
}

/** An object without members, for a number of these digits. */
export function standInFor(digits: string): object {
  const standIn = Object.freeze({});
  standIns.set(standIn, digits);
  return standIn;
}

/** The digits behind a stand-in; `undefined` when the value is none. */
export function longNumber(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null ? standIns.get(value) : undefined;
}

/** Whether the number of this text, as JavaScript holds it, still has these digits. */
export function holdsExactly(text: string): boolean {
  if (text.length <= SURELY_HELD && !/[eE]/.test(text)) return true;
  const value = Number(text);
  return Number.isFinite(value) && canonical(text) === canonical(String(value));
}

function keepDigits(
  this: object,
  name: string,
  value: unknown,
  { source }: { readonly source?: string },
): unknown {
  if (typeof value === 'object') {
    if (value !== null && touched.has(value)) touched.add(this);
    return value;
  }
  if (typeof value !== 'number' || source === undefined || holdsExactly(source)) return value;
  const names = marked.get(this);
  if (names === undefined) marked.set(this, new Set([name]));
  else names.add(name);
  touched.add(this);
  return source;
}

function asItCame(this: object, name: string, value: unknown): unknown {
  return marked.get(this)?.has(name) === true ? rawJson(String(value)) : value;
}

/** The library of the compiler does not know it yet. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(this: void, text: string): unknown };

/** A double holds as many digits, whatever they are. */
const SURELY_HELD = 15;
const LONG_RUN = 16;
const LONG_EXPONENT = /[eE][+-]?\d{3,}[,\]}\s]/;

/** Every text with such a number, and few others; a fraction of the time that parsing takes. */
function mayHaveLongNumber(text: string): boolean {
  // A run of 16 digits and points has one of them at every 16th place.
  for (let at = LONG_RUN - 1; at < text.length; at += LONG_RUN) {
    if (!isDigitOrPoint(text.charCodeAt(at))) continue;
    let from = at;
    while (isDigitOrPoint(text.charCodeAt(from - 1))) from -= 1;
    let to = at + 1;
    while (isDigitOrPoint(text.charCodeAt(to))) to += 1;
    if (to - from >= LONG_RUN) return true;
  }
  return LONG_EXPONENT.test(text);
}

function isDigitOrPoint(code: number): boolean {
  return (code >= 48 && code <= 57) || code === 46;
}

/** The same text for the same number: its digits without zeros around them, and their power of ten. */
function canonical(text: string): string {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.replace(/^[+-]/, '').split('.');
  const digits = `${whole}${fraction}`;
  let from = 0;
  while (digits[from] === '0') from += 1;
  let to = digits.length;
  while (to > from && digits[to - 1] === '0') to -= 1;
  if (from === to) return '0';
  const power = Number(exponent) - fraction.length + digits.length - to;
  return `${mantissa.startsWith('-') ? '-' : ''}${digits.slice(from, to)}e${power}`;
}
