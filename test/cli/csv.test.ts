import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CsvError, createCsvParser } from '../../src/cli/import/csv.ts';

function parse(text: string, cut = text.length): (readonly string[])[] {
  const parser = createCsvParser();
  const rows = [
    ...parser.push(text.slice(0, cut)),
    ...parser.push(text.slice(cut)),
    ...parser.end(),
  ];
  return rows.map(({ cells }) => cells);
}

test.each([
  [
    'plain rows',
    'a,b\n1,2\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'no line feed at the end',
    'a,b\n1,2',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  [
    'CRLF',
    'a,b\r\n"1",2\r\n',
    [
      ['a', 'b'],
      ['1', '2'],
    ],
  ],
  ['a byte order mark', '\uFEFFa\n1', [['a'], ['1']]],
  ['quotes, commas and line breaks within quotes', '"a ""b""","1,\r\n2"\n', [['a "b"', '1,\r\n2']]],
  [
    'empty cells',
    'a,,\n,"",c\n',
    [
      ['a', '', ''],
      ['', '', 'c'],
    ],
  ],
  ['blank lines', 'a\n\n\r\nb\n', [['a'], ['b']]],
  ['a quote within a plain cell', 'a 5" pipe,b\n', [['a 5" pipe', 'b']]],
  ['nothing', '', []],
])('reads %s', (_name, text, rows) => {
  expect(parse(text)).toEqual(rows);
});

test('rows are numbered as a spreadsheet shows them', () => {
  const parser = createCsvParser();
  const rows = [...parser.push('a\n\n"x\ny"\nb'), ...parser.end()];
  expect(rows.map(({ row }) => row)).toEqual([1, 3, 4]);
});

test.each([
  ['a quote that is not closed', 'a\n"b\nc', /row 2: a quote is not closed/],
  ['text after a closing quote', 'a\n"b"c\n', /row 2: text after a closing quote/],
])('refuses %s, and says where', (_name, text, message) => {
  expect(() => parse(text)).toThrow(CsvError);
  expect(() => parse(text)).toThrow(message);
});

test('whatever is written by the rules is read back, cut anywhere', () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', ' ') });
  fc.assert(
    fc.property(
      fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
      fc.nat(100),
      fc.constantFrom('\n', '\r\n'),
      (rows, cut, lineBreak) => {
        const text = rows
          .map(
            (cells) =>
              cells.map((value) => `"${value.replaceAll('"', '""')}"`).join(',') + lineBreak,
          )
          .join('');
        expect(parse(text, cut)).toEqual(rows);
      },
    ),
  );
});
