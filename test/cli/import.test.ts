import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ndjson, startMapApp, tickets } from '../support/map-app.ts';
import { runImport } from './support/run-import.ts';

test('all written: exit code 0 and the summary', async () => {
  const app = await startMapApp();

  const { code, out, err } = await runImport('t.ndjson', ndjson(tickets(1200)), [
    '--org',
    'acme',
    '--url',
    app.url,
  ]);

  expect(code).toBe(0);
  expect(JSON.parse(out)).toMatchObject({ success: true, written: 1200 });
  expect(err).toBe('');
  expect(app.sandbox.records.stored.size).toBe(1200);
});

test('CSV with a header; rejects go to a file with their row and record; exit code 1', async () => {
  const app = await startMapApp();
  const csv = [
    '\uFEFFticketId,priority,sourceChannel',
    'T1,low,web',
    '',
    'T2,"urgent, very",',
    'T3,high,"phone"',
    'T4,high,web,too much',
  ].join('\r\n');

  const { code, readRejects } = await runImport('t.csv', csv, [
    '--org',
    'acme',
    '--url',
    `${app.url}/`,
    '--rejects',
    'REJECTS',
  ]);

  expect(code).toBe(1);
  expect([...app.sandbox.records.stored.keys()]).toEqual(['T1', 'T3']);
  expect(
    (await readRejects()).toSorted((a, b) => Number(a['line']) - Number(b['line'])),
  ).toMatchObject([
    { line: 4, id: 'T2', fate: 'rejected', record: { ticketId: 'T2', priority: 'urgent, very' } },
    {
      line: 6,
      id: null,
      fate: 'rejected',
      errors: [{ rule: 'csv', message: 'has 4 cells, the header has 3' }],
      record: 'T4,high,web,too much',
    },
  ]);
});

test('a terminal sees a bar', async () => {
  const app = await startMapApp();
  const { err } = await runImport(
    't.ndjson',
    ndjson(tickets(10)),
    ['--org', 'acme', '--url', app.url],
    {
      isTTY: true,
    },
  );
  expect(err).toMatch(/\[#{24}\] 100 % sent/);
});

test('--dry-run writes nothing, --skip-unchanged leaves out what is there', async () => {
  const app = await startMapApp();
  const args = ['--org', 'acme', '--url', app.url];
  const content = ndjson(tickets(3));
  await runImport('t.ndjson', content, [...args, '--dry-run']);
  expect(app.writes()).toBe(0);
  await runImport('t.ndjson', content, [...args, '--skip-unchanged']);
  const { out } = await runImport('t.ndjson', content, [...args, '--skip-unchanged']);
  expect(JSON.parse(out)).toMatchObject({ written: 0, unchanged: 3 });
});

test.each([
  ['no --org', ['--url', 'http://127.0.0.1:1'], /--org is missing/],
  ['an unknown option', ['--org', 'acme', '--fast'], /--fast/],
  ['a key that is not set', ['--org', 'acme', '--api-key-env', 'NO_KEY'], /NO_KEY is not set/],
  ['a service that is not there', ['--org', 'acme', '--url', 'http://127.0.0.1:1'], /ECONNREFUSED/],
])('%s: exit code 2', async (_name, args, message) => {
  const { code, err } = await runImport('t.ndjson', ndjson(tickets(1)), args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('a file of rejects that cannot be opened or written: exit code 2 with the reason', async () => {
  const app = await startMapApp();
  const args = ['--org', 'acme', '--url', app.url, '--rejects'];
  const unopened = await runImport('t.ndjson', ndjson(tickets(3)), [...args, '/no/such/folder/x']);
  expect(unopened.code).toBe(2);
  expect(unopened.err).toContain("open '/no/such/folder/x'");
  expect(app.writes()).toBe(0);

  const full = await runImport('t.ndjson', 'not json\n', [...args, '/dev/full']);
  expect(full).toMatchObject({ code: 2, summary: { read: 1, rejected: 1 } });
  expect(full.err).toContain('ENOSPC');
});

test('a refusal by the service and a header that cannot be used: exit code 2 with the reason', async () => {
  const app = await startMapApp();
  const args = ['--org', 'acme', '--url', app.url];
  const refused = await runImport('t.ndjson', ndjson(tickets(1)), [
    '--org',
    '../acme',
    '--url',
    app.url,
  ]);
  expect(refused).toMatchObject({ code: 2, out: '' });
  expect(refused.err).toMatch(/the service answered 400: [^{]+ \(invalid_query\)/);
  const headers = [
    ['a,a\n1,2', /line 1: column 2 of the header is "a"/],
    ['sep=,\n\na,,b\n1,2,3', /line 3: column 2 of the header is ""/],
    ['"a"b,c\n1,2', /line 1: the header has text after a closing quote/],
    ['"a\nb,c', /line 1: a quote is not closed/],
    [Buffer.from('T\xFCr,b\n', 'latin1'), /line 1: the header is not UTF-8.*--encoding/],
    [Buffer.from('a,b\n1,2\n', 'utf16le'), /the header holds NUL.*--encoding utf-16le/],
  ] as const;
  for (const [content, message] of headers) {
    const { code, err } = await runImport('t.csv', content, args);
    expect(code).toBe(2);
    expect(err).toMatch(message);
  }
  expect(app.writes()).toBe(0);
});

const HEADER = 'ticketId,priority,sourceChannel';

describe('an import ends with a summary', () => {
  test('a row that cannot be read is rejected; the others go on', async () => {
    const app = await startMapApp();
    const rows = tickets(3000).map((one) => `${String(one['ticketId'])},low,web`);
    rows.splice(2000, 0, 'BAD,low,"a"b', 'BAD2,low,"x\ny"z');
    const args = ['--org', 'acme', '--url', app.url, '--rejects', 'REJECTS'];
    const { code, summary, readRejects } = await runImport(
      't.csv',
      [HEADER, ...rows].join('\n'),
      args,
    );
    expect(code).toBe(1);
    expect(summary).toMatchObject({ success: false, read: 3002, written: 3000, rejected: 2 });
    expect(summary['lines']).toEqual({ rejected: '2002-2004' });
    expect(await readRejects()).toMatchObject([
      { line: 2002, record: 'BAD,low,"a"b' },
      { line: 2003, lastLine: 2004, record: 'BAD2,low,"x\ny"z' },
    ]);
  });

  test.each([
    [
      'a quote that is not closed',
      't.csv',
      Buffer.from('T9,low,"x\nT10,low,web\n'),
      'a quote is not closed',
      [],
    ],
    [
      'bytes of no meaning',
      't.csv',
      Buffer.from('T9,low,\x81\x20\nT10,low,web\n', 'latin1'),
      'holds bytes that are no shift_jis',
      ['--encoding', 'shift_jis'],
    ],
    [
      'and in NDJSON',
      't.ndjson',
      Buffer.from('{"ticketId":"\x81\x20"}\n', 'latin1'),
      'holds bytes that are no shift_jis',
      ['--encoding', 'shift_jis'],
    ],
  ])('%s: what was written, and where it stopped', async (_name, file, end, reason, more) => {
    const app = await startMapApp();
    const rows = tickets(2000).map((one) => `${String(one['ticketId'])},low,web`);
    const good = file === 't.csv' ? [HEADER, ...rows, ''].join('\n') : `\n${ndjson(tickets(2000))}`;
    const { code, summary, err } = await runImport(file, Buffer.concat([Buffer.from(good), end]), [
      '--org',
      'acme',
      '--url',
      app.url,
      ...more,
    ]);
    expect(code).toBe(2);
    expect(summary).toMatchObject({
      success: false,
      written: 2000,
      stopped: { line: 2002, reason },
    });
    expect(summary['lines']).toEqual({ notSent: '2002-' });
    expect(err).toContain(`line 2002: ${reason}. Nothing from that line on was sent.`);
    expect(app.sandbox.records.stored.size).toBe(2000);
  });

  test('a service that breaks off: what it told, and what is unknown', async () => {
    const server = createServer((request, response) => {
      request.resume();
      response.write('{"rejected":{"line":2,"id":"T2","errors":[]}}\n');
      response.write('{"progress":{"read":2,"written":1,"rejected":1,"failed":0}}\n');
      setTimeout(() => response.destroy(), 50);
    }).listen(0);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}`;
    const { code, summary, err } = await runImport('t.ndjson', ndjson(tickets(9)), [
      '--org',
      'a',
      '--url',
      url,
    ]);
    expect(code).toBe(2);
    expect(summary).toMatchObject({
      success: false,
      read: 2,
      written: 1,
      rejected: 1,
      lines: { rejected: '2' },
      error: { code: 'answer_broke_off' },
    });
    expect(err).toMatch(/may be written or not: send the file again/);
  });

  test('what the answer told as ranges is among the rejects, with its records', async () => {
    const unlisted = [
      { fate: 'failed', reason: 'genesys_unavailable', records: 3, ranges: [[2, 4]], exact: true },
      { fate: 'rejected', reason: 'other reasons', records: 2, ranges: [[6, 8]], exact: false },
    ];
    const counts = { read: 9, written: 4, rejected: 2, failed: 3 };
    const answer = `${JSON.stringify({ summary: { success: false, ...counts, unlisted } })}\n`;
    const server = createServer((request, response) => {
      request.resume().once('end', () => response.end(answer));
    }).listen(0);
    await once(server, 'listening');
    onTestFinished(() => void server.close());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const args = ['--org', 'a', '--url', url, '--rejects', 'REJECTS'];
    const { code, summary, err, readRejects } = await runImport(
      't.ndjson',
      ndjson(tickets(9)),
      args,
    );
    expect(code).toBe(1);
    expect(summary['lines']).toEqual({ failed: '2-4', rejected: '6-8' });
    expect(summary).not.toHaveProperty('unlisted');
    expect(await readRejects()).toMatchObject(
      [2, 3, 4].map((line) => ({
        line,
        fate: 'failed',
        reason: 'genesys_unavailable',
        record: { ticketId: `T${line}` },
      })),
    );
    expect(err).toMatch(/^2 records .* not in the file of rejects: the summary has them/m);
  });

  test('without --rejects the first ten reasons are shown', async () => {
    const app = await startMapApp();
    const bad = tickets(30);
    for (const one of bad) one['priority'] = 'wrong';
    const { code, err } = await runImport('t.ndjson', ndjson(bad), [
      '--org',
      'acme',
      '--url',
      app.url,
    ]);
    expect(code).toBe(1);
    expect(err.match(/^ {2}line \d+ \(T\d+\): crm_ticket_priority /gm)).toHaveLength(10);
    expect(err).toContain('and 20 more; --rejects <file> keeps them all');
  });

  test('a reject has its record with the digits that it came with', async () => {
    const app = await startMapApp();
    const line = '{"ticketId":"T1","priority":"wrong","n":1161888007138312192,"m":1.10}';
    const { readText } = await runImport('t.ndjson', `${line}\n`, [
      '--org',
      'acme',
      '--url',
      app.url,
      '--rejects',
      'REJECTS',
    ]);
    expect(await readText()).toContain(`"record":${line}}\n`);
  });

  test('200,000 rejected lines: the answer is read while the file is sent', async () => {
    const app = await startMapApp();
    const line = '{"ticketId":"T","priority":"wrong"}\n';
    const args = ['--org', 'acme', '--url', app.url, '--rejects', 'REJECTS'];
    const { code, summary, readText } = await runImport('t.ndjson', line.repeat(200_000), args);
    expect(code).toBe(1);
    expect(summary).toMatchObject({
      read: 200_000,
      rejected: 200_000,
      lines: { rejected: '1-200000' },
    });
    expect((await readText()).split('\n')).toHaveLength(200_001);
  }, 60_000);
});
