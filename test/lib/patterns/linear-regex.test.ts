import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  compileLinearRegex,
  createLinearRegExpClass,
  type LinearMatch,
} from '../../../src/lib/patterns/linear-regex.ts';

describe('compileLinearRegex', () => {
  test('matches anywhere, with flags', () => {
    expect(compileLinearRegex('^(low|high)$').test('high')).toBe(true);
    expect(compileLinearRegex('^(low|high)$').test('highest')).toBe(false);
    expect(compileLinearRegex('priority', 'i').test('My PRIORITY queue')).toBe(true);
  });

  test.each([
    '^genesys\\.cloud$',
    '^(low|high)$',
    'a(?:b|c|)d',
    '^$',
    '(a|b)',
    'x-y z\\/',
    '^a|b$',
  ])('a plain pattern means the same as any other: %s', (pattern) => {
    fc.assert(
      fc.property(fc.stringMatching(/^[a-d./highlow|$^\n -]{0,8}$/), (text) => {
        const plain = compileLinearRegex(pattern);
        const general = compileLinearRegex(`(?:${pattern}){1}`);
        expect(plain.test(text)).toBe(general.test(text));
      }),
    );
    for (const text of ['genesys.cloud', 'genesysxcloud', 'low', 'high', 'lower', 'ad', 'abd']) {
      const general = compileLinearRegex(`(?:${pattern}){1}`);
      expect(compileLinearRegex(pattern).test(text)).toBe(general.test(text));
    }
  });

  test('a catastrophic pattern is answered at once', () => {
    expect(compileLinearRegex('^(a+)+$').test(`${'a'.repeat(50_000)}!`)).toBe(false);
  });

  test.each([
    ['(', ''],
    ['(?=a)', ''],
    ['(a)\\1', ''],
    ['a'.repeat(1001), ''],
    ['(a{500}){500}', ''],
    ['a', 'y'],
  ])('refuses %s with flags %j', (pattern, flags) => {
    expect(() => compileLinearRegex(pattern, flags)).toThrow(/pattern/i);
  });
});

/** All matches, one after the other, as jsonata asks for them. */
function matchesOf(
  regex: { lastIndex: number; exec(text: string): LinearMatch | null },
  text: string,
) {
  const found: unknown[] = [];
  regex.lastIndex = 0;
  for (let match = regex.exec(text); match !== null; match = regex.exec(text)) {
    found.push({ index: match.index, parts: Array.from(match) });
    if (match[0] === '')
      regex.lastIndex += (text.codePointAt(regex.lastIndex) ?? 0) > 0xff_ff ? 2 : 1;
    if (regex.lastIndex > text.length) break;
  }
  return found;
}

const letter = fc.constantFrom(
  ...Array.from('abBkKséÉßẞσςΣж1_- .\u00a0\ufeff\u200b\u0085\v\f\0\b😀𝒜\n\r\u2028\u2029'),
);
const escape = fc.constantFrom(
  ...String.raw`\d \D \w \W \s \S \t \n \r \v \f \x00 \cJ \cj \x61 \xA0 \u0061 \u{1F600} \uD83D\uDE00 \u{61}`.split(
    ' ',
  ),
  ...String.raw`\/ \. \[ \\ \p{L} \p{Lu} \P{Lu} \p{Script=Greek} \p{sc=Cyrl} \p{White_Space} \P{L} \p{Emoji}`.split(
    ' ',
  ),
);
/** Under `i`, `\\b` goes by ASCII here; see docs/patterns.md. */
const edge = fc.constantFrom('^', '$', '\\b', '\\B');
const literal = letter.map((character) =>
  /[.^$*+?()[\]{}|\\/]/.test(character) ? `\\${character}` : character,
);
const range = fc.constantFrom(
  'a-f',
  'A-Z',
  '0-9',
  'à-ÿ',
  'α-ω',
  '\\u2000-\\u3000',
  '😀-😎',
  '\\x00-\\x1f',
);
const classItem = fc.oneof(
  literal.filter((text) => text !== '-'),
  range,
  escape.filter((text) => !/^\\[./[]$/.test(text)),
  fc.constantFrom('[', '.', '$', '|', '\\b', '\\]', '\\^'),
);
const set = fc
  .tuple(fc.constantFrom('', '^'), fc.array(classItem, { maxLength: 3 }))
  .map(([negation, items]) => `[${negation}${items.join('')}]`);
const atom = fc.oneof(literal, escape, set, fc.constant('.'));
const quantifier = fc.constantFrom(
  '',
  '',
  '*',
  '+',
  '?',
  '*?',
  '+?',
  '??',
  '{2}',
  '{1,3}',
  '{2,}',
  '{0,2}?',
);
/** Nothing that is repeated can be empty or captures. */
const repeated = fc.oneof(
  fc.tuple(atom, quantifier).map((parts) => parts.join('')),
  fc
    .tuple(fc.constant('(?:'), fc.array(atom, { minLength: 1, maxLength: 2 }), atom, quantifier)
    .map(([open, items, other, times]) => `${open}${items.join('')}|${other})${times}`),
);
const part = fc.oneof(
  { weight: 4, arbitrary: repeated },
  { weight: 1, arbitrary: edge },
  {
    weight: 2,
    arbitrary: fc.array(repeated, { maxLength: 2 }).map((items) => `(${items.join('')})`),
  },
);
const pattern = fc
  .array(fc.array(part, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 2 })
  .map((options) => options.map((items) => items.join('')).join('|'));
const anyText = fc.array(letter, { maxLength: 12 }).map((characters) => characters.join(''));
const anyFlags = fc.constantFrom('', '', 'i', 'm', 's', 'im', 'is');

/** V8 finds `\\B` within a character of two UTF-16 units, even with the flag `u`. */
function isSplitByV8(source: string, text: string): boolean {
  return source.includes('\\B') && /[\u{10000}-\u{10ffff}]/u.test(text);
}

describe('a pattern means what it means in ECMAScript with the flag u', () => {
  test('generated patterns find the same everywhere', { timeout: 120_000 }, () => {
    let compared = 0;
    fc.assert(
      fc.property(
        pattern,
        anyFlags,
        fc.array(anyText, { maxLength: 4 }),
        (source, flags, texts) => {
          const reference = new RegExp(source, `${flags}ug`);
          const LinearRegExp = createLinearRegExpClass();
          let linear: InstanceType<typeof LinearRegExp>;
          try {
            linear = new LinearRegExp(reference);
          } catch (error) {
            // The one thing that is refused of these.
            if (flags.includes('m') && String(error).includes('line ends')) return;
            throw error;
          }
          for (const text of texts) {
            if (isSplitByV8(source, text)) continue;
            compared += 1;
            const place = `/${source}/${flags} on ${JSON.stringify(text)}`;
            const expected = matchesOf(reference, text);
            expect(matchesOf(linear, text), place).toStrictEqual(expected);
            reference.lastIndex = 0;
            expect(compileLinearRegex(source, flags).test(text), place).toBe(reference.test(text));
          }
        },
      ),
      { numRuns: 4000 },
    );
    expect(compared).toBeGreaterThan(2000);
  });

  test('what is repeated may be empty: whether it matches is the same', { timeout: 60_000 }, () => {
    const nested = fc
      .tuple(pattern, quantifier, part, edge)
      .map(([inner, times, after, end]) => `(?:${inner})${times}${after}${end}`);
    fc.assert(
      fc.property(nested, fc.constantFrom('', 'i', 's'), anyText, (source, flags, text) => {
        fc.pre(!isSplitByV8(source, text));
        const reference = new RegExp(source, `${flags}u`);
        expect(compileLinearRegex(source, flags).test(text)).toBe(reference.test(text));
      }),
      { numRuns: 2000 },
    );
  });
});

describe('counted repeats', () => {
  test.each([
    ['^.{1,2000}$', ''],
    ['^[^<>]{0,3000}?$', ''],
    ['^(?:ab?){1500}$', ''],
    ['^(?:[a-z]{1,63}\\.){1,20}com$', ''],
    ['^(?:(?:a{3}){40}b?){12}$', ''],
    ['^a{2000,}$', ''],
    ['^(a|bc){0,1100}c', ''],
    ['^(?:(a)|b){1001,1100}?c', ''],
    ['a{0}(b{0})c', ''],
    ['^(?:a{600}){0,3}$', ''],
  ])('%s', (source, flags) => {
    const reference = new RegExp(source, `${flags}ug`);
    const LinearRegExp = createLinearRegExpClass();
    const linear = new LinearRegExp(reference);
    const times = [
      0, 1, 2, 12, 600, 999, 1000, 1001, 1100, 1440, 1500, 1800, 1999, 2000, 2001, 3000, 3001,
    ];
    const texts = [
      ...times.flatMap((count) => [
        'a'.repeat(count),
        `${'a'.repeat(count)}c`,
        `${'bc'.repeat(count)}c`,
      ]),
      ...times.map((count) => `${'ab.'.repeat(count)}com`),
      ...times.map((count) => `${'a'.repeat(120)}b`.repeat(count % 20)),
    ];
    for (const text of texts) {
      expect(matchesOf(linear, text)).toStrictEqual(matchesOf(reference, text));
      reference.lastIndex = 0;
      expect(compileLinearRegex(source, flags).test(text)).toBe(reference.test(text));
    }
  });

  test('are refused above the bound, with the place', () => {
    expect(() => compileLinearRegex('^x(?:a|b){6000}$')).toThrow(
      /has \d+ parts; allowed are 5000 \(at character 3\)/,
    );
    expect(() => compileLinearRegex('(a{500}){500}')).toThrow(/allowed are 5000/);
    expect(() => compileLinearRegex(`a{${'9'.repeat(400)},}`)).toThrow(/allowed are 5000/);
    expect(compileLinearRegex('^[a-z ]{1,100000}$').test('a '.repeat(50_000))).toBe(true);
  });
});

test.each([
  ['\\Aabc', /"\\A" is no escape of ECMAScript; write \^.*character 1/],
  ['abc\\z', /"\\z" is no escape.*write \$.*character 4/],
  ['a\\Qb', /"\\Q" is no escape.*character 2/],
  ['(?=a)', /look-around.*character 1/],
  ['x(?<!a)', /look-around.*character 2/],
  ['(a)\\1', /back references.*character 4/],
  ['(?<n>a)\\k<n>', /back references.*character 8/],
  ['a\\012', /octal.*character 2/],
  ['[\\1]', /back references|octal/],
  ['[[:alpha:]]', /POSIX.*character 2/],
  ['\\pL', /write such as \\p\{L\}.*character 1/],
  ['\\p{Lettre}', /no Unicode property.*character 1/],
  ['\\u{110000}', /no such character/],
  ['\\u12', /"\\u" is no escape/],
  ['\\c1', /"\\c" is no escape/],
  ['a**', /nothing to repeat.*character 3/],
  ['a++', /possessive/],
  ['*a', /nothing to repeat.*character 1/],
  ['^*', /nothing to repeat/],
  ['a{2,1}', /out of order/],
  ['[b-a]', /out of order.*character 2/],
  ['[a', /"\[" is not closed.*character 1/],
  ['(a', /"\(" is not closed.*character 1/],
  ['a)', /closes no group.*character 2/],
  ['(?>a)', /begins no group; allowed are/],
  ['a\\', /escapes nothing/],
  ['('.repeat(200), /deeper than 100/],
])('%s is refused with its place', (source, message) => {
  expect(() => compileLinearRegex(source)).toThrow(message);
});

test.each([
  ['a\\-b\\_c\\ d\\@', '', 'a-b_c d@', true],
  ['^[\\w-.]+$', '', 'a-b.c', true],
  ['^{a}]$', '', '{a}]', true],
  ['^a{,2}$', '', 'a{,2}', true],
  ['(?i)^abc$', '', 'ABC', true],
  ['^(?P<name>a)$', '', 'a', true],
  ['^(?<name>a)$', '', 'a', true],
  ['^(?i:a)b$', '', 'Ab', true],
  ['^(?i:a)b$', '', 'AB', false],
  ['^(?-i:a)b$', 'i', 'aB', true],
  ['^(?-i:a)b$', 'i', 'AB', false],
  ['^(?s:.).$', '', '\na', true],
  ['^(?s:.).$', '', '\n\n', false],
  ['^[^]$', '', '\n', true],
  ['[]', '', 'a', false],
  ['[[]', '', '[', true],
  ['^\\0$', '', '\0', true],
  ['^\\cJ$', '', '\n', true],
  ['^\\u{1F600}$', '', '😀', true],
  ['^.$', '', '😀', true],
  ['^a$', '', 'a\n', false],
  ['^a$', 'm', 'b\r\na\r\nb', true],
  ['^a$', 'm', 'b\u2028a', true],
  ['a.b', '', 'a\u2028b', false],
  ['a.b', '', 'a\rb', false],
  ['a.b', 's', 'a\rb', true],
  ['^\\s$', '', '\u00a0', true],
  ['^\\s$', '', '\ufeff', true],
  ['^\\s$', '', '\u200b', false],
  ['^\\d$', '', '٣', false],
  ['^ſ$', 'i', 's', true],
])('%s with flags %j on %j is %s', (source, flags, text, expected) => {
  expect(compileLinearRegex(source, flags).test(text)).toBe(expected);
});

test('with the flag m a pattern may not tell line ends apart', () => {
  expect(() => compileLinearRegex('^a\\r?\\n', 'm')).toThrow(/all line ends.*character 3/);
  expect(compileLinearRegex('a\\r?\\n', 'm').test('a\r\n')).toBe(true);
  const regex = new (createLinearRegExpClass())(/^(\s)b$/gm);
  expect(Array.from(regex.exec('a\n\rb\u2028c') ?? [])).toStrictEqual(['\rb', '\r']);
});
