import fc from 'fast-check';
import { expect, test } from 'vitest';
import { dialectOf } from '../../src/cli/import/csv-dialect.ts';
import { createCsvRows } from '../../src/cli/import/csv-rows.ts';

async function read(content: string | Buffer, cut = content.length, delimiter = ',') {
  const bytes = Buffer.from(content as string);
  const parser = createCsvRows(delimiter);
  return [
    ...(await parser.push(bytes.subarray(0, cut))),
    ...(await parser.push(bytes.subarray(cut))),
    ...(await parser.end()),
  ];
}

const cellsOf = async (content: string, cut?: number) =>
  (await read(content, cut)).map(({ cells }) => cells);

const AB12 = [
  ['a', 'b'],
  ['1', '2'],
];

test.each([
  ['plain rows', 'a,b\n1,2\n', AB12],
  ['no line end at the end', 'a,b\n1,2', AB12],
  ['CRLF', 'a,b\r\n"1",2\r\n', AB12],
  ['CR', 'a,b\r1,2\r', AB12],
  ['mixed line ends', 'a,b\r1,2\n1,2\r\n1,2', [...AB12, ['1', '2'], ['1', '2']]],
  ['quotes, commas and line breaks within quotes', '"a ""b""","1,\r\n2"\n', [['a "b"', '1,\r\n2']]],
  ['a cell that is a quoted quote', '"""a""",b\n', [['"a"', 'b']]],
  [
    'empty cells',
    'a,,\n,"",c\n',
    [
      ['a', '', ''],
      ['', '', 'c'],
    ],
  ],
  ['blank lines, and rows of delimiters only', 'a,b\n\n\r\n,,\n , \n1,2\n', AB12],
  ['a quote within a plain cell', 'a 5" pipe,b\n', [['a 5" pipe', 'b']]],
  ['a real U+FFFD', 'a\uFFFD,b\n', [['a\uFFFD', 'b']]],
  ['nothing', '', []],
])('reads %s, cut anywhere', async (_name, text, rows) => {
  for (let cut = 0; cut <= Buffer.byteLength(text); cut += 1) {
    expect(await cellsOf(text, cut)).toEqual(rows);
  }
});

test('rows say on which line they begin', async () => {
  const rows = await read('a\r\n\r\n"x\r\ny"\rb\n"z"');
  expect(rows.map(({ line, lines }) => [line, lines])).toEqual([
    [1, 1],
    [3, 2],
    [5, 1],
    [6, 1],
  ]);
});

test.each([
  ['text after a closing quote', 'a\n"b"c,d\nok\n', 2, '"b"c,d', 3],
  ['a blank after a closing quote', 'a\n"b" ,c\nok\n', 2, '"b" ,c', 3],
  ['a quote that is not doubled, after plain ones', 'a\n5",""b"",c\nok\n', 2, '5",""b"",c', 3],
  ['a quote that is closed lines later', 'a\n"b\nc\nd,"e"\nok\n', 2, '"b\nc\nd,"e"', 5],
])('%s spoils its row only', async (_name, text, line, raw, okLine) => {
  const rows = await read(text);
  expect(rows).toHaveLength(3);
  expect(rows[1]).toMatchObject({ line, cells: [], raw: Buffer.from(raw) });
  expect(rows[1]?.problem).toContain('text after a closing quote');
  expect(rows[2]).toMatchObject({ line: okLine, cells: ['ok'] });
});

test('bytes that are no UTF-8 spoil their row only', async () => {
  const rows = await read(Buffer.from('a\nB\xFCro,"1\n2"\nok\n', 'latin1'));
  expect(rows[1]).toMatchObject({ line: 2, lines: 2 });
  expect(rows[1]?.problem).toMatch(/not UTF-8.*--encoding windows-1252/);
  expect(rows[2]).toMatchObject({ line: 4, cells: ['ok'] });
});

test('a quote that is not closed ends it, where the row begins', async () => {
  const parser = createCsvRows(',');
  expect(await parser.push(Buffer.from('a\nb\n"c\nd\n'))).toHaveLength(2);
  await expect(parser.end()).rejects.toThrow('a quote is not closed');
  expect(parser.nextLine).toBe(3);

  const endless = createCsvRows(',');
  await endless.push(Buffer.from('a\n"'));
  const pushAll = async () => {
    for (let sent = 0; sent < 100; sent += 1) await endless.push(Buffer.alloc(1_000_000, ','));
  };
  await expect(pushAll()).rejects.toThrow(/longer than 10000000 bytes: is a quote not closed/);
  expect(endless.nextLine).toBe(2);
});

test('whatever is written by the rules is read back, cut anywhere', async () => {
  const cell = fc.string({ unit: fc.constantFrom('a', '"', ',', '\n', '\r', 'é', '\uFFFD', ' ') });
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.array(cell, { minLength: 2, maxLength: 4 }), { maxLength: 5 }),
      fc.nat(100),
      fc.constantFrom('\n', '\r\n', '\r'),
      async (rows, cut, lineBreak) => {
        const text = rows
          .map(
            (cells) =>
              cells.map((value) => `"${value.replaceAll('"', '""')}"`).join(',') + lineBreak,
          )
          .join('');
        const filled = rows.filter((cells) => cells.some((value) => value.trim() !== ''));
        expect(await cellsOf(text, cut)).toEqual(filled);
      },
    ),
  );
});

test('spoiled rows never touch the good ones beside them', async () => {
  const good = fc.stringMatching(/^[a-z"]{0,3}[a-z]$/).map((text) => `T,x${text}`);
  const bad = fc.constantFrom('T,"a"b', 'T,"a" ', 'T,B\xFCro', 'T,"B\xFC\nro"', 'T,"a\nb"c');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.oneof(good, bad), { minLength: 1, maxLength: 12 }),
      fc.nat(200),
      fc.constantFrom('\n', '\r\n', '\r'),
      async (lines, cut, lineBreak) => {
        const rows = await read(Buffer.from(lines.join(lineBreak), 'latin1'), cut);
        expect(rows.map(({ raw }) => raw.toString('latin1'))).toEqual(lines);
        for (const [index, { problem, cells }] of rows.entries()) {
          const line = lines[index] ?? '';
          const isGood = line.startsWith('T,x');
          expect(problem === undefined).toBe(isGood);
          expect(cells).toEqual(isGood ? ['T', line.slice(2)] : []);
        }
      },
    ),
  );
});

test.each([
  ['a,b,c', ',', 0],
  ['a;b;c\n1,2;3;4', ';', 0],
  ['a\tb\n', '\t', 0],
  ['a|b,c|d\r', '|', 0],
  ['\n\n"a,b,c";d;e\n', ';', 0],
  ['"a\n,,,";b\n', ';', 0],
  ['single', ',', 0],
  ['sep=;\na,b;c', ';', 6],
  ['"SEP=|"\r\na,b', '|', 9],
  ['sep=\t\ra,b', '\t', 6],
])('the delimiter of %j is found', (head, delimiter, skip) => {
  expect(dialectOf(head)).toMatchObject({ delimiter, skip });
  expect(dialectOf(head, ':')).toEqual({ delimiter: ':', from: '--delimiter', skip });
});
