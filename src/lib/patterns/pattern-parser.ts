import { LINE_ENDS, type Range } from './character-sets.ts';
import { type Flags, readClass, readEscape } from './pattern-characters.ts';
import { openReader, type PatternReader } from './pattern-reader.ts';

/** One character of a set. */
export interface CharacterSet {
  readonly type: 'set';
  readonly ranges: readonly Range[];
  readonly negated: boolean;
  readonly ignoreCase: boolean;
  readonly offset: number;
}

export interface Repeat {
  readonly type: 'repeat';
  readonly body: PatternNode;
  readonly min: number;
  /** `Infinity` for no end. */
  readonly max: number;
  readonly lazy: boolean;
  readonly offset: number;
}

export type PatternNode =
  | CharacterSet
  | Repeat
  | { readonly type: 'sequence'; readonly items: readonly PatternNode[] }
  | { readonly type: 'choice'; readonly options: readonly PatternNode[] }
  /** Numbered from 1, as ECMAScript numbers them. */
  | { readonly type: 'capture'; readonly number: number; readonly body: PatternNode }
  | { readonly type: 'edge'; readonly edge: '^' | '$'; readonly multiline: boolean }
  | { readonly type: 'boundary'; readonly negated: boolean };

interface Parsing {
  readonly reader: PatternReader;
  captures: number;
}

const QUANTIFIER = /(?:([*+?])|\{(\d+)(?:(,)(\d*))?\})(\??)/y;
const NAMED_GROUP = /\(\?P?<[\p{ID_Start}$_][\p{ID_Continue}$\u200c\u200d]*>/uy;
const MODIFIERS = /\(\?([ims]*)(?:-([ims]*))?:/y;
const LEADING_MODIFIERS = /\(\?([ims]+)\)/y;
const LOOK_AROUND = /\(\?<?[=!]/y;
const MAX_DEPTH = 100;

const SHORT: ReadonlyMap<string, readonly [number, number]> = new Map([
  ['*', [0, Infinity]],
  ['+', [1, Infinity]],
  ['?', [0, 1]],
]);

/**
 * Reads a pattern of ECMAScript with the meaning of its flag `u`: characters are whole, and `\p{…}`
 * is a property. What is allowed without that flag alone and means nothing else is read too (`\-`,
 * `\_`, `{`, `]`, `[\w-.]`), and of other flavours `(?i)` at the beginning and `(?P<name>…)`.
 *
 * @throws PatternError
 */
export function parsePattern(pattern: string, flags: Flags): PatternNode {
  const reader = openReader(pattern);
  const leading = reader.match(LEADING_MODIFIERS);
  const node = readChoice({ reader, captures: 0 }, withFlags(flags, leading?.[1]), 0);
  if (!reader.isAtEnd) reader.fail('")" closes no group');
  return node;
}

function withFlags(flags: Flags, add = '', remove = ''): Flags {
  const has = (flag: 'i' | 'm' | 's') =>
    (flags[flag] || add.includes(flag)) && !remove.includes(flag);
  return { i: has('i'), m: has('m'), s: has('s') };
}

function readChoice(parsing: Parsing, flags: Flags, depth: number): PatternNode {
  const { reader } = parsing;
  if (depth > MAX_DEPTH) reader.fail(`groups nest deeper than ${MAX_DEPTH} levels`);
  const options = [readSequence(parsing, flags, depth)];
  while (reader.take('|')) options.push(readSequence(parsing, flags, depth));
  const [first] = options;
  return first !== undefined && options.length === 1 ? first : { type: 'choice', options };
}

function readSequence(parsing: Parsing, flags: Flags, depth: number): PatternNode {
  const { reader } = parsing;
  const items: PatternNode[] = [];
  while (!reader.isAtEnd && !reader.is('|') && !reader.is(')')) {
    const offset = reader.at;
    items.push(readRepeat(reader, readTerm(parsing, flags, depth), offset));
  }
  return { type: 'sequence', items };
}

function readRepeat(reader: PatternReader, body: PatternNode, offset: number): PatternNode {
  const start = reader.at;
  const found = reader.match(QUANTIFIER);
  if (found === undefined) return body;
  if (body.type === 'edge' || body.type === 'boundary') reader.fail('nothing to repeat', start);
  const [, short = '', from, comma, to = '', lazy] = found;
  const end = to === '' ? (comma === undefined ? Number(from) : Infinity) : Number(to);
  const [min, max] = SHORT.get(short) ?? [Number(from), end];
  if (min > max) reader.fail('the numbers of a repeat are out of order', start);
  const again = reader.at;
  if (reader.match(QUANTIFIER) !== undefined) {
    reader.fail('nothing to repeat; possessive repeats are not ECMAScript', again);
  }
  return { type: 'repeat', body, min, max, lazy: lazy !== '', offset };
}

function readTerm(parsing: Parsing, flags: Flags, depth: number): PatternNode {
  const { reader } = parsing;
  const offset = reader.at;
  const set = (ranges: readonly Range[], negated = false): CharacterSet => ({
    type: 'set',
    ranges,
    negated,
    ignoreCase: flags.i,
    offset,
  });
  if (reader.is('(')) return readGroup(parsing, flags, depth);
  if (reader.is('[')) {
    const { ranges, negated } = readClass(reader, flags);
    return set(ranges, negated);
  }
  if (reader.take('\\b')) return { type: 'boundary', negated: false };
  if (reader.take('\\B')) return { type: 'boundary', negated: true };
  if (reader.is('\\')) return set(readEscape(reader, flags));
  if (reader.match(QUANTIFIER) !== undefined) reader.fail('nothing to repeat', offset);
  if (reader.take('^')) return { type: 'edge', edge: '^', multiline: flags.m };
  if (reader.take('$')) return { type: 'edge', edge: '$', multiline: flags.m };
  if (reader.take('.')) return set(flags.s ? [] : LINE_ENDS, true);
  const codePoint = reader.character();
  return set([[codePoint, codePoint]]);
}

function readGroup(parsing: Parsing, flags: Flags, depth: number): PatternNode {
  const { reader } = parsing;
  const start = reader.at;
  if (reader.match(LOOK_AROUND) !== undefined) {
    reader.fail('look-around is not possible in linear time', start);
  }
  const modifiers = reader.match(MODIFIERS);
  let number: number | undefined;
  if (modifiers === undefined) {
    if (reader.match(NAMED_GROUP) === undefined) {
      if (reader.is('(?')) {
        const found = JSON.stringify(reader.peek(4));
        const allowed = '(…), (?:…), (?<name>…), (?i:…)';
        reader.fail(`${found} begins no group; allowed are ${allowed}`);
      }
      reader.take('(');
    }
    parsing.captures += 1;
    number = parsing.captures;
  }
  const inner = modifiers === undefined ? flags : withFlags(flags, modifiers[1], modifiers[2]);
  const body = readChoice(parsing, inner, depth + 1);
  if (!reader.take(')')) reader.fail('"(" is not closed', start);
  return number === undefined
    ? { type: 'sequence', items: [body] }
    : { type: 'capture', number, body };
}
