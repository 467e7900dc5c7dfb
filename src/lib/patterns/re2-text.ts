import { includes, LINE_ENDS, type Range } from './character-sets.ts';
import type { CharacterSet, PatternNode, Repeat } from './pattern-parser.ts';
import { PatternError } from './pattern-reader.ts';

/** A pattern in RE2's syntax, and what its matcher has to know. */
export interface Re2Pattern {
  readonly text: string;
  /** RE2's groups of each of ECMAScript's, from 1: the last of them that took part counts. */
  readonly groups: ReadonlyMap<number, readonly number[]>;
  readonly captures: number;
  /** Has `^` or `$` at every line: all line ends must be line feeds, as RE2 knows only these. */
  readonly multiline: boolean;
}

/** RE2's own bound for a counted repeat, and for the product of nested ones. */
const MAX_COUNT = 1000;
/** Characters to match when all repeats are written out; each costs memory, and time per character. */
const MAX_SIZE = 5000;
const MAX_TEXT_LENGTH = 1_000_000;
const ANY = '[\\x{0}-\\x{10FFFF}]';

/** Pieces of RE2's syntax with the product of the counted repeats in them. */
interface Piece {
  readonly text: string;
  readonly count: number;
}

/**
 * Writes the pattern with the few things that mean the same in RE2 whatever its flags: characters
 * and ranges by their numbers, groups, repeats and edges.
 *
 * @throws PatternError when it is too large, or tells line ends apart while lines have edges.
 */
export function toRe2(root: PatternNode): Re2Pattern {
  const size = sizeOf(root);
  const multiline = hasMultilineEdge(root);
  if (multiline) refuseSingleLineEnds(root);
  const groups = new Map<number, number[]>();
  let written = 0;

  const write = (node: PatternNode): Piece => {
    switch (node.type) {
      case 'set':
        return { text: setText(node), count: 1 };
      case 'edge':
        if (node.multiline) return { text: `(?m:${node.edge})`, count: 1 };
        return { text: node.edge === '^' ? '\\A' : '\\z', count: 1 };
      case 'boundary':
        return { text: node.negated ? '\\B' : '\\b', count: 1 };
      case 'sequence': {
        const pieces = node.items.map(write);
        // A choice binds less than what it is among.
        const texts = pieces.map(({ text }, index) =>
          node.items[index]?.type === 'choice' ? `(?:${text})` : text,
        );
        return { text: texts.join(''), count: most(pieces) };
      }
      case 'choice': {
        const pieces = node.options.map(write);
        return { text: pieces.map(({ text }) => text).join('|'), count: most(pieces) };
      }
      case 'capture': {
        written += 1;
        const numbers = groups.get(node.number) ?? [];
        numbers.push(written);
        groups.set(node.number, numbers);
        const { text, count } = write(node.body);
        return { text: `(${text})`, count };
      }
      case 'repeat':
        if (node.max === 0) return { text: '(?:)', count: 1 };
        return writeRepeat(node, () => {
          const piece = write(node.body);
          const isOne = node.body.type === 'set' || node.body.type === 'capture';
          return isOne ? piece : { ...piece, text: `(?:${piece.text})` };
        });
    }
  };
  if (size > MAX_SIZE) throw tooLarge(root, size);
  const { text } = write(root);
  if (text.length > MAX_TEXT_LENGTH) throw tooLarge(root, size);
  return { text, groups, captures: capturesIn(root), multiline };
}

/** Counts above RE2's bound become several repeats; `body` is written anew for each. */
function writeRepeat({ min, max, lazy }: Repeat, body: () => Piece): Piece {
  const mark = lazy ? '?' : '';
  const first = body();
  // The body was written already; it is used for the first of the repeats.
  let unused: Piece | undefined = first;
  const next = () => {
    const piece = unused ?? body();
    unused = undefined;
    return piece.text;
  };
  const step = Math.max(1, Math.floor(MAX_COUNT / first.count));
  const counted = (from: number, to: number): string => {
    if (to === 0) return '';
    if (from === 1 && to === 1) return next();
    return from === to ? `${next()}{${from}}` : `${next()}{${from},${to}}${mark}`;
  };
  const exactly = (times: number): string =>
    times <= step ? counted(times, times) : counted(step, step) + exactly(times - step);
  const atMost = (times: number): string => {
    if (times <= step) return times === 1 ? `${next()}?${mark}` : counted(0, times);
    const fewer = () => (step === 1 ? '' : step === 2 ? `${next()}?${mark}` : counted(0, step - 1));
    const more = () => counted(step, step) + atMost(times - step);
    // Which comes first is which is tried first.
    return lazy ? `(?:${fewer()}|${more()})` : `(?:${more()}|${fewer()})`;
  };
  if (max === Infinity) {
    const rest = min <= 1 ? '' : exactly(min - 1);
    return {
      text: `${rest}${next()}${min === 0 ? '*' : '+'}${mark}`,
      count: first.count * Math.min(Math.max(1, min), step),
    };
  }
  const rest = max - min;
  if (min <= step && max <= step) return { text: counted(min, max), count: first.count * max };
  const text = exactly(min) + (rest === 0 ? '' : atMost(rest));
  return { text, count: first.count * step };
}

function most(pieces: readonly Piece[]): number {
  return Math.max(1, ...pieces.map(({ count }) => count));
}

function setText({ ranges, negated, ignoreCase }: CharacterSet): string {
  const text = rangesText(ranges, negated);
  return ignoreCase ? `(?i:${text})` : text;
}

function rangesText(ranges: readonly Range[], negated: boolean): string {
  const [only] = ranges;
  if (only === undefined) return negated ? ANY : `[^${ANY.slice(1)}`;
  if (!negated && ranges.length === 1 && only[0] === only[1]) return characterText(only[0]);
  const parts = ranges.map(([first, last]) =>
    first === last ? characterText(first) : `${characterText(first)}-${characterText(last)}`,
  );
  return `[${negated ? '^' : ''}${parts.join('')}]`;
}

function characterText(codePoint: number): string {
  const character = String.fromCodePoint(codePoint);
  return /[A-Za-z0-9 ]/.test(character) ? character : `\\x{${codePoint.toString(16)}}`;
}

function childrenOf(node: PatternNode): readonly PatternNode[] {
  switch (node.type) {
    case 'sequence':
      return node.items;
    case 'choice':
      return node.options;
    case 'capture':
    case 'repeat':
      return [node.body];
    default:
      return [];
  }
}

function sizeOf(node: PatternNode): number {
  const children = childrenOf(node);
  if (children.length === 0) return 1;
  const size = children.reduce(
    (sum, child) => sum + sizeOf(child),
    node.type === 'capture' ? 1 : 0,
  );
  if (node.type !== 'repeat') return size;
  return size * Math.max(1, node.max === Infinity ? node.min : node.max);
}

function capturesIn(node: PatternNode): number {
  const own = node.type === 'capture' ? 1 : 0;
  return childrenOf(node).reduce((sum, child) => sum + capturesIn(child), own);
}

function tooLarge(root: PatternNode, size: number): PatternError {
  const largest = largestRepeat(root);
  return new PatternError(
    `with its repeats written out the pattern has ${size} parts; allowed are ${MAX_SIZE}`,
    largest?.offset ?? 0,
  );
}

function largestRepeat(node: PatternNode): Repeat | undefined {
  if (node.type === 'repeat') return node;
  const found = childrenOf(node)
    .map((child) => largestRepeat(child))
    .filter((repeat) => repeat !== undefined);
  return found.toSorted((a, b) => sizeOf(b) - sizeOf(a))[0];
}

function hasMultilineEdge(node: PatternNode): boolean {
  return node.type === 'edge' ? node.multiline : childrenOf(node).some(hasMultilineEdge);
}

function refuseSingleLineEnds(node: PatternNode): void {
  if (node.type === 'set') {
    const known = LINE_ENDS.flatMap(([first, last]) => (first === last ? [first] : [first, last]));
    const has = known.filter((codePoint) => includes(node.ranges, codePoint));
    if (has.length === 0 || has.length === known.length) return;
    throw new PatternError(
      'with the flag m a part must match all line ends (\\n, \\r, U+2028, U+2029) or none; write \\s, or leave out the flag',
      node.offset,
    );
  }
  for (const child of childrenOf(node)) refuseSingleLineEnds(child);
}
