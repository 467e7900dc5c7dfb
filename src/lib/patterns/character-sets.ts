/** First and last code point, both included. */
export type Range = readonly [number, number];

const LAST = 0x10_ff_ff;

/** What ECMAScript's `\d`, `\w` and `\s` are. */
const DIGITS: readonly Range[] = [[0x30, 0x39]];
const WORD: readonly Range[] = [...DIGITS, [0x41, 0x5a], [0x5f, 0x5f], [0x61, 0x7a]];
/** Long s and the Kelvin sign, which are an S and a K in any case. */
const WORD_IN_ANY_CASE: readonly Range[] = [...WORD, [0x17f, 0x17f], [0x212a, 0x212a]];
export const LINE_ENDS: readonly Range[] = [
  [0x0a, 0x0a],
  [0x0d, 0x0d],
  [0x2028, 0x2029],
];
const WHITE_SPACE: readonly Range[] = [
  [0x09, 0x0d],
  [0x20, 0x20],
  [0xa0, 0xa0],
  [0x1680, 0x1680],
  [0x2000, 0x200a],
  [0x2028, 0x2029],
  [0x202f, 0x202f],
  [0x205f, 0x205f],
  [0x3000, 0x3000],
  [0xfeff, 0xfeff],
];

/** The characters of `\d`, `\D`, `\w`, `\W`, `\s` or `\S`; `undefined` for another letter. */
export function charactersOf(letter: string, ignoreCase: boolean): readonly Range[] | undefined {
  switch (letter) {
    case 'd':
      return DIGITS;
    case 'D':
      return complement(DIGITS);
    case 'w':
      return WORD;
    case 'W':
      return complement(ignoreCase ? WORD_IN_ANY_CASE : WORD);
    case 's':
      return WHITE_SPACE;
    case 'S':
      return complement(WHITE_SPACE);
    default:
      return undefined;
  }
}

export function complement(ranges: readonly Range[]): readonly Range[] {
  const result: Range[] = [];
  let next = 0;
  for (const [first, last] of ranges.toSorted(([a], [b]) => a - b)) {
    if (first > next) result.push([next, first - 1]);
    next = Math.max(next, last + 1);
  }
  if (next <= LAST) result.push([next, LAST]);
  return result;
}

export function includes(ranges: readonly Range[], codePoint: number): boolean {
  return ranges.some(([first, last]) => first <= codePoint && codePoint <= last);
}

const properties = new Map<string, readonly Range[]>();

/**
 * The characters of `\p{…}`, as this engine's Unicode has them; `undefined` when there is no such
 * property. The first look at one takes some ten milliseconds.
 */
export function charactersWith(property: string): readonly Range[] | undefined {
  if (!/^\w+(?:=\w+)?$/.test(property)) return undefined;
  let found = properties.get(property);
  if (found === undefined) {
    let runs: RegExp;
    try {
      runs = new RegExp(`\\p{${property}}+`, 'gu');
    } catch {
      return undefined;
    }
    found = scan(runs);
    properties.set(property, found);
  }
  return found;
}

function scan(runs: RegExp): readonly Range[] {
  const ranges: Range[] = [];
  // The two kinds of surrogates apart: side by side they would be one character.
  const starts = [0, 0xdc00, ...Array.from({ length: 16 }, (_, plane) => (plane + 1) * 0x1_00_00)];
  for (const [index, start] of starts.entries()) {
    const end = starts[index + 1] ?? LAST + 1;
    let text = '';
    for (let at = start; at < end; at += 1) text += String.fromCodePoint(at);
    const width = start < 0x1_00_00 ? 1 : 2;
    for (const match of text.matchAll(runs)) {
      const first = start + match.index / width;
      const last = first + match[0].length / width - 1;
      const before = ranges.at(-1);
      if (before?.[1] === first - 1) ranges[ranges.length - 1] = [before[0], last];
      else ranges.push([first, last]);
    }
  }
  return ranges;
}
