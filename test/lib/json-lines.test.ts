import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createJsonLinesParser, type JsonLine } from '../../src/lib/json-lines.ts';

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
});
