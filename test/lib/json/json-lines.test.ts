import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createJsonLinesParser,
  type JsonLine,
  MAX_LINE_DEPTH,
} from '../../../src/lib/json/json-lines.ts';

const values = fc.jsonValue({ stringUnit: 'binary' });

/** The bytes cut at any offsets, inside lines and inside characters. */
function cut(bytes: Buffer, at: readonly number[]): Buffer[] {
  const offsets = [...new Set(at.map((n) => n % (bytes.length + 1)))].sort((a, b) => a - b);
  return [0, ...offsets].map((start, index) => bytes.subarray(start, offsets[index]));
}

function parseAll(chunks: readonly Buffer[], maxLineBytes = 1_000_000, complete = true) {
  const parser = createJsonLinesParser({ maxLineBytes });
  const lines: JsonLine[] = [];
  for (const chunk of chunks) lines.push(...parser.push(chunk));
  return [...lines, ...parser.end(complete)];
}

const valuesOf = (lines: readonly JsonLine[]) => lines.map((line) => (line.ok ? line.value : line));

describe('JSON lines', () => {
  test('cut anywhere give the same lines', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            values.map((value) => JSON.stringify(value)),
            fc.constantFrom('', '  ', '{"a":', 'ä€🎈', 'x'.repeat(300)),
          ),
          { maxLength: 20 },
        ),
        fc.array(fc.nat(10_000), { maxLength: 40 }),
        fc.constantFrom('\n', '\r\n'),
        (texts, at, lineEnd) => {
          const bytes = Buffer.from(texts.join(lineEnd));
          expect(parseAll(cut(bytes, at), 200)).toEqual(parseAll([bytes], 200));
        },
      ),
    );
  });

  test('give back every value that was written', () => {
    fc.assert(
      fc.property(fc.array(values), fc.array(fc.nat(10_000)), (written, at) => {
        const bytes = Buffer.from(written.map((value) => `${JSON.stringify(value)}\n`).join('\n'));
        const expected = written.map((value): unknown => JSON.parse(JSON.stringify(value)));
        expect(valuesOf(parseAll(cut(bytes, at)))).toEqual(expected);
      }),
    );
  });

  test('are numbered from 1, blank lines included', () => {
    const lines = parseAll([Buffer.from('\n1\n\n \nx\n{"a":2}')]);
    expect(lines).toEqual([
      { line: 2, ok: true, value: 1, bytes: 1 },
      { line: 5, ok: false, text: 'x', bytes: 1, reason: 'not JSON' },
      { line: 6, ok: true, value: { a: 2 }, bytes: 7 },
    ]);
  });

  test('a line that is too long is skipped to its end, and memory stays bounded', () => {
    const parser = createJsonLinesParser({ maxLineBytes: 1000, maxErrorBytes: 10 });
    const lines = [];
    lines.push(...parser.push(Buffer.from('1\n"')));
    for (let index = 0; index < 100; index += 1) lines.push(...parser.push(Buffer.alloc(100, 97)));
    lines.push(...parser.push(Buffer.from('"\n2\n')));
    expect(lines).toEqual([
      { line: 1, ok: true, value: 1, bytes: 1 },
      { line: 2, ok: false, text: '"aaaaaaaaa', bytes: 10_002, reason: 'too long' },
      { line: 3, ok: true, value: 2, bytes: 1 },
    ]);
  });

  test('a line of exactly the longest length is taken', () => {
    expect(valuesOf(parseAll([Buffer.from('"aaa"\n'), Buffer.from('"b"')], 5))).toEqual([
      'aaa',
      'b',
    ]);
    expect(parseAll([Buffer.from('"aaaa"\n')], 5)).toMatchObject([
      { reason: 'too long', bytes: 6 },
    ]);
  });

  test('a last line without line feed counts in a file, not on a connection that broke', () => {
    const chunk = Buffer.from('1\n{"a":1}');
    expect(valuesOf(parseAll([chunk]))).toEqual([1, { a: 1 }]);
    expect(parseAll([chunk], 100, false)).toEqual([
      { line: 1, ok: true, value: 1, bytes: 1 },
      { line: 2, ok: false, text: '{"a":1}', bytes: 7, reason: 'incomplete' },
    ]);
    expect(parseAll([Buffer.from('1\n  ')], 100, false)).toHaveLength(1);
  });

  test('a byte order mark at the start of a file is no part of its first line', () => {
    const bytes = Buffer.from('\uFEFF{"a":1}\n{"a":2}\n');
    expect(valuesOf(parseAll(cut(bytes, [1, 2])))).toEqual([{ a: 1 }, { a: 2 }]);
    expect(parseAll([Buffer.from('1\n\uFEFF2\n')])[1]).toMatchObject({ reason: 'not JSON' });
  });

  const nested = (depth: number, inner = '') => `${'['.repeat(depth)}${inner}${']'.repeat(depth)}`;

  test.each([
    [`${MAX_LINE_DEPTH} levels are taken`, nested(MAX_LINE_DEPTH), undefined],
    ['one more is refused', nested(MAX_LINE_DEPTH + 1), 'too deep'],
    ['as are objects', `${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}`, 'too deep'],
    ['and what never ends', '['.repeat(100_000), 'too deep'],
    ['brackets in text are none', JSON.stringify(`\\"${'[{'.repeat(5000)}`), undefined],
    ['brackets side by side are not deep', `[${'[],'.repeat(5000)}{}]`, undefined],
  ])('nesting: %s', (_name, text, reason) => {
    const [line] = parseAll([Buffer.from(text)]);
    expect(line).toMatchObject(
      reason === undefined
        ? { ok: true, value: JSON.parse(text) as unknown }
        : { ok: false, reason, text: text.slice(0, 4096) },
    );
  });

  test('bytes that are no UTF-8 are never read as U+FFFD, and none is lost', () => {
    const bytes = Buffer.from('{"a":"\uFFFD"}\n{"a":"B\xFCro"}\n{"a":2}\n', 'latin1');
    const good = Buffer.from('{"a":"\uFFFD"}\n');
    const lines = parseAll([good, bytes.subarray(bytes.indexOf(10) + 1)]);
    expect(lines[0]).toMatchObject({ ok: true, value: { a: '\uFFFD' } });
    expect(lines[1]).toEqual({
      line: 2,
      ok: false,
      text: `data:application/octet-stream;base64,${Buffer.from('{"a":"B\xFCro"}', 'latin1').toString('base64')}`,
      bytes: 12,
      reason: 'not UTF-8',
    });
    expect(lines[2]).toMatchObject({ ok: true, value: { a: 2 } });
  });

  test('what is kept of a bad line is cut between two characters', () => {
    for (const maxErrorBytes of [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]) {
      const bytes = Buffer.from('aä€🎈x\n');
      const parser = createJsonLinesParser({ maxLineBytes: 100, maxErrorBytes });
      const [broken] = parser.push(bytes);
      const tooLong = createJsonLinesParser({ maxLineBytes: 1, maxErrorBytes });
      const [long] = tooLong.push(bytes);
      for (const line of [broken, long]) {
        const text = line?.ok === false ? line.text : undefined;
        expect('aä€🎈x').toMatch(new RegExp(`^${text}`, 'u'));
        expect(Buffer.byteLength(text ?? '')).toBeGreaterThan(maxErrorBytes - 4);
      }
    }
  });

  test('poison lines never touch their neighbours: all good ones come through, in order', () => {
    const poison = fc.oneof(
      fc.integer({ min: 129, max: 3000 }).map((depth) => Buffer.from(nested(depth))),
      fc.integer({ min: 129, max: 3000 }).map((depth) => Buffer.from('{"a":['.repeat(depth))),
      fc.integer({ min: 5000, max: 20_000 }).map((length) => Buffer.alloc(length, '[')),
      fc.uint8Array({ minLength: 1, maxLength: 60 }).map((bytes) => {
        const junk = Buffer.from(bytes.map((byte) => (byte === 10 ? 0xff : byte)));
        return Buffer.concat([Buffer.from('{"a":"'), junk, Buffer.from('\xFF"}', 'latin1')]);
      }),
      // A surrogate on its own, as bytes; byte order marks; carriage returns; nothing at all.
      fc
        .constantFrom('"\xED\xA0\x80"', '\xEF\xBB\xBF{"poison":1}', '{"a"\r:}', '\r', ' ', '')
        .map((text) => Buffer.from(text, 'latin1')),
    );
    const good = fc.oneof(
      values.map((value) => JSON.stringify({ value })),
      fc.constantFrom('{"value":"\\ud800"}', '{"value":"\uFFFD"}', `{"value":${nested(120)}}`),
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 2, arbitrary: good }, poison), { maxLength: 20 }),
        fc.array(fc.nat(50_000), { maxLength: 40 }),
        (lines, at) => {
          const expected = lines.flatMap((line, index) =>
            typeof line === 'string' && line.length <= 4000
              ? [[index + 2, JSON.parse(line) as unknown]]
              : [],
          );
          const bytes = Buffer.concat(
            [Buffer.from('0'), ...lines.map((line) => Buffer.from(line)), Buffer.from('1')].flatMap(
              (line) => [line, Buffer.from('\n')],
            ),
          );

          const read = parseAll(cut(bytes, at), 4000);

          const numbers = read.map(({ line }) => line);
          expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
          expect(read.filter(({ ok }) => ok).map((one) => [one.line, valuesOf([one])[0]])).toEqual([
            [1, 0],
            ...expected,
            [lines.length + 2, 1],
          ]);
        },
      ),
    );
  });
});
