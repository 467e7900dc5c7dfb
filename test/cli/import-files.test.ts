import { describe, expect, test } from 'vitest';
import { startMapApp } from '../support/map-app.ts';
import { channels, runImport } from './support/run-import.ts';

const HEADER = 'ticketId,priority,sourceChannel';

describe('CSV as the world writes it', () => {
  test.each([
    ['CR', `${HEADER}\rT1,high,web\rT2,low,chat`, ','],
    ['mixed line ends', `${HEADER}\r\nT1,high,web\rT2,low,chat\n`, ','],
    ['semicolons', `${HEADER}\nT1,high,web\nT2,low,chat\n`.replaceAll(',', ';'), ';'],
    ['tabs', `${HEADER}\nT1,high,web\nT2,low,chat\n`.replaceAll(',', '\t'), '\t'],
    ['bars', `${HEADER}\nT1,high,web\nT2,low,chat\n`.replaceAll(',', '|'), '|'],
    ['a sep= line', `sep=;\r\n${HEADER}\r\nT1,high,web\r\nT2,low,chat`.replaceAll(',', ';'), ';'],
    ['trailing delimiters', `${HEADER},\nT1,high,web,\nT2,low,chat,,\n,,,\n`, ','],
    ['a byte order mark', `\uFEFF${HEADER}\nT1,high,web\nT2,low,chat`, ','],
    ['blank lines', `\n${HEADER}\n\nT1,high,web\n\nT2,low,chat\n\n`, ','],
  ])('%s', async (_name, content, delimiter) => {
    const app = await startMapApp();
    const { code, summary, err } = await runImport('t.csv', content, [
      '--org',
      'acme',
      '--url',
      app.url,
    ]);
    expect(summary).toMatchObject({ read: 2, written: 2, file: { delimiter } });
    expect(code).toBe(0);
    expect(err).toContain(delimiter === '\t' ? 'delimiter tab' : `delimiter "${delimiter}"`);
    expect(channels(app)).toEqual({ T1: 'web', T2: 'chat' });
  });

  test('--delimiter wins over the sep= line, which is no record all the same', async () => {
    const app = await startMapApp();
    const args = ['--org', 'acme', '--url', app.url, '--delimiter'];
    const content = `sep=;\n${HEADER}\nT1,high,"a;b"\n`;
    expect((await runImport('t.csv', content, [...args, ','])).code).toBe(0);
    expect((await runImport('t.csv', content.replaceAll(',', '\t'), [...args, 'tab'])).code).toBe(
      0,
    );
    expect(channels(app)).toEqual({ T1: 'a;b' });
  });

  test('a row with fewer cells is written, and said', async () => {
    const app = await startMapApp();
    const content = `${HEADER}\nT1,high\nT2\nT3,low,web\n`;
    const { code, err } = await runImport('t.csv', content, ['--org', 'acme', '--url', app.url]);
    expect(code).toBe(0);
    expect(err).toContain('Warning: 2 lines, the first 2, have fewer cells than the header');
  });

  test.each([
    ['an empty CSV', 't.csv', '', /the file is empty/],
    ['a CSV of blank lines', 't.csv', '\uFEFF\n\r\n', /the file is empty/],
    ['a header only', 't.csv', `${HEADER}\n`, /the file holds no record/],
    ['an empty NDJSON', 't.ndjson', '', /the file is empty/],
    ['an NDJSON of blank lines', 't.ndjson', '\n \n', /the file holds no record/],
  ])('%s: never a success', async (_name, file, content, message) => {
    const app = await startMapApp();
    const { code, err } = await runImport(file, content, ['--org', 'acme', '--url', app.url]);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  });
});

describe('encodings', () => {
  const german = `${HEADER}\nT1,high,Büro – Straße €\nT2,low,web\n`;
  const latin = Buffer.from(german.replace('–', '\x96').replace('€', '\x80'), 'latin1');
  const utf16le = Buffer.from(`\uFEFF${german}`, 'utf16le');

  test('bytes that are no UTF-8: that line is rejected, with the way out', async () => {
    const app = await startMapApp();
    const { code, summary, err } = await runImport('t.csv', latin, [
      '--org',
      'acme',
      '--url',
      app.url,
    ]);
    expect(code).toBe(1);
    expect(summary).toMatchObject({ status: 207, read: 2, written: 1, rejected: 1 });
    expect(summary['lines']).toEqual({ rejected: '2' });
    expect(err).toContain('line 2: is not UTF-8: give the encoding of the file');
    expect(channels(app)).toEqual({ T2: 'web' });
  });

  test.each([
    ['windows-1252', latin, ['--encoding', 'cp1252'], 'windows-1252'],
    ['UTF-16 by its mark', utf16le, [], 'utf-16le'],
    ['big-endian UTF-16 by its mark', Buffer.from(utf16le).swap16(), [], 'utf-16be'],
    ['UTF-16 without mark', utf16le.subarray(2), ['--encoding', 'utf-16le'], 'utf-16le'],
    ['UTF-8 by its mark', Buffer.from(`\uFEFF${german}`), ['--encoding', 'latin1'], 'utf-8'],
  ])('%s', async (_name, content, more, encoding) => {
    const app = await startMapApp();
    const args = ['--org', 'acme', '--url', app.url, ...more];
    const { code, summary } = await runImport('t.csv', content, args);
    expect(code).toBe(0);
    expect(summary['file']).toMatchObject({ encoding });
    expect(channels(app)).toEqual({ T1: 'Büro – Straße €', T2: 'web' });
  });

  test('NDJSON: a broken line is rejected, a real U+FFFD written, UTF-16 read by its mark', async () => {
    const app = await startMapApp();
    const lines = '{"ticketId":"T1","sourceChannel":"a\uFFFD"}\n{"ticketId":"T2"}\n';
    const broken = Buffer.from('{"ticketId":"T3","sourceChannel":"B\xFCro"}\n', 'latin1');
    const args = ['--org', 'acme', '--url', app.url];
    const content = Buffer.concat([broken, Buffer.from(lines)]);
    const first = await runImport('t.ndjson', content, [...args, '--rejects', 'REJECTS']);
    expect(first).toMatchObject({ code: 1, summary: { lines: { rejected: '1' }, written: 2 } });
    expect(await first.readRejects()).toMatchObject([
      {
        line: 1,
        record: expect.stringContaining(broken.subarray(0, -1).toString('base64')) as string,
      },
    ]);
    const wide = await runImport('t.ndjson', Buffer.from(`\uFEFF${lines}`, 'utf16le'), args);
    expect(wide).toMatchObject({ code: 0, summary: { written: 2 } });
    expect(channels(app)['T1']).toBe('a\uFFFD');
  });

  test('an encoding that is not known is told before anything is sent', async () => {
    const { code, err } = await runImport('t.csv', german, [
      '--org',
      'acme',
      '--encoding',
      'ebcdic',
    ]);
    expect(code).toBe(2);
    expect(err).toMatch(/--encoding "ebcdic" is not known; allowed:.*windows-1252/);
  });
});
