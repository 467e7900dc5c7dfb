import { charactersOf, charactersWith, complement, type Range } from './character-sets.ts';
import type { PatternReader } from './pattern-reader.ts';

export interface Flags {
  readonly i: boolean;
  readonly m: boolean;
  readonly s: boolean;
}

const CONTROL_ESCAPES: ReadonlyMap<string, number> = new Map([
  ['t', 9],
  ['n', 10],
  ['v', 11],
  ['f', 12],
  ['r', 13],
]);
const HEXADECIMAL = /x([\da-f]{2})|u\{([\da-f]{1,6})\}|u([\da-f]{4})/iy;
const LOW_SURROGATE = /\\u(d[c-f][\da-f]{2})/iy;
const PROPERTY = /([pP])\{([^{}]{1,100})\}/y;
const POSIX_CLASS = /^\[[:.=]\^?\w+[:.=]\]/;

/** What is meant by escapes of other flavours. */
const HINTS: ReadonlyMap<string, string> = new Map([
  ['A', '; write ^ for the beginning of the text'],
  ['z', '; write $ for the end of the text'],
  ['Z', '; write $ for the end of the text'],
  ['0', '; octal numbers are not allowed, write \\x00 to \\xff'],
  ['h', '; write [ \\t]'],
  ['a', '; write \\x07'],
  ['e', '; write \\x1b'],
]);

export interface CharacterClass {
  readonly ranges: readonly Range[];
  readonly negated: boolean;
}

/** `[…]`, whose bracket comes next. */
export function readClass(reader: PatternReader, flags: Flags): CharacterClass {
  const start = reader.at;
  reader.take('[');
  const negated = reader.take('^');
  const ranges: Range[] = [];
  while (!reader.take(']')) {
    const offset = reader.at;
    const first = readClassItem(reader, flags, start);
    if (reader.is('-]') || !reader.take('-')) {
      ranges.push(...first);
      continue;
    }
    const last = readClassItem(reader, flags, start);
    const [from, to] = [single(first), single(last)];
    if (from === undefined || to === undefined) {
      // `[\w-.]` is no range, and its hyphen is one.
      ranges.push(...first, [0x2d, 0x2d], ...last);
    } else if (from > to) {
      reader.fail('a range of characters is out of order', offset);
    } else {
      ranges.push([from, to]);
    }
  }
  return { ranges, negated };
}

function readClassItem(reader: PatternReader, flags: Flags, start: number): readonly Range[] {
  if (reader.isAtEnd) reader.fail('"[" is not closed', start);
  if (POSIX_CLASS.test(reader.peek(20))) {
    reader.fail('POSIX classes are not ECMAScript; write a-z, \\d or \\p{L}');
  }
  if (reader.take('\\b')) return [[8, 8]];
  if (reader.is('\\')) return readEscape(reader, flags);
  const codePoint = reader.character();
  return [[codePoint, codePoint]];
}

/** The characters that an escape stands for, whose `\` comes next. */
export function readEscape(reader: PatternReader, flags: Flags): readonly Range[] {
  const start = reader.at;
  reader.take('\\');
  if (reader.isAtEnd) reader.fail('"\\" escapes nothing', start);
  const letter = reader.peek(1);
  const set = charactersOf(letter, flags.i);
  if (set !== undefined) {
    reader.take(letter);
    return set;
  }
  if (letter === 'p' || letter === 'P') return readProperty(reader, start);
  const codePoint = readEscapedCharacter(reader, start, letter);
  return [[codePoint, codePoint]];
}

function readEscapedCharacter(reader: PatternReader, start: number, letter: string): number {
  const hexadecimal = reader.match(HEXADECIMAL);
  if (hexadecimal !== undefined) return toCodePoint(reader, hexadecimal, start);
  const codePoint = reader.character();
  if (!/[A-Za-z0-9]/.test(letter)) return codePoint;
  const control = CONTROL_ESCAPES.get(letter);
  if (control !== undefined) return control;
  if (letter === 'c' && /[A-Za-z]/.test(reader.peek(1))) return reader.character() % 32;
  if (letter === '0' && !/\d/.test(reader.peek(1))) return 0;
  if (/[k1-9]/.test(letter)) {
    reader.fail('back references are not possible in linear time', start);
  }
  return reader.fail(`"\\${letter}" is no escape of ECMAScript${HINTS.get(letter) ?? ''}`, start);
}

function toCodePoint(reader: PatternReader, found: RegExpExecArray, start: number): number {
  const [, two, braced, four] = found;
  const value = Number.parseInt(two ?? braced ?? four ?? '', 16);
  if (value > 0x10_ff_ff) reader.fail('there is no such character', start);
  if (four === undefined || value < 0xd800 || value > 0xdbff) return value;
  const low = reader.match(LOW_SURROGATE);
  if (low === undefined) return value;
  return 0x1_00_00 + (value - 0xd800) * 0x400 + Number.parseInt(low[1] ?? '', 16) - 0xdc00;
}

function readProperty(reader: PatternReader, start: number): readonly Range[] {
  const found = reader.match(PROPERTY);
  const ranges = found === undefined ? undefined : charactersWith(found[2] ?? '');
  if (ranges === undefined) {
    reader.fail('no Unicode property; write such as \\p{L} or \\p{Script=Greek}', start);
  }
  return found?.[1] === 'P' ? complement(ranges) : ranges;
}

function single(ranges: readonly Range[]): number | undefined {
  const [only, ...others] = ranges;
  return only !== undefined && others.length === 0 && only[0] === only[1] ? only[0] : undefined;
}
