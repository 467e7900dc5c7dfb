import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { importFile } from '../../src/cli/import/import.ts';
import { ndjson, startMapApp, tickets } from '../support/map-app.ts';

async function run(
  name: string,
  content: string,
  args: readonly string[],
  options: { isTTY?: boolean; env?: Record<string, string> } = {},
) {
  const folder = await mkdtemp(join(tmpdir(), 'import-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, name);
  await writeFile(file, content);
  const out: string[] = [];
  const err: string[] = [];
  const into = (lines: string[]) => ({
    isTTY: options.isTTY ?? false,
    write: (text: string | Uint8Array) => lines.push(String(text)) > 0,
  });
  const rejects = join(folder, 'rejects.ndjson');
  const code = await importFile([...args.map((arg) => (arg === 'REJECTS' ? rejects : arg)), file], {
    env: options.env ?? {},
    out: into(out),
    err: into(err),
  });
  const readRejects = async () =>
    (await readFile(rejects, 'utf8'))
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { code, out: out.join(''), err: err.join(''), readRejects };
}

test('all written: exit code 0 and the summary', async () => {
  const app = await startMapApp();

  const { code, out, err } = await run('t.ndjson', ndjson(tickets(1200)), [
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

  const { code, readRejects } = await run('t.csv', csv, [
    '--org',
    'acme',
    '--url',
    `${app.url}/`,
    '--rejects',
    'REJECTS',
  ]);

  expect(code).toBe(1);
  expect([...app.sandbox.records.stored.keys()]).toEqual(['T1', 'T3']);
  expect(await readRejects()).toMatchObject([
    { line: 4, id: 'T2', fate: 'rejected', record: { ticketId: 'T2', priority: 'urgent, very' } },
    { line: 6, id: null, fate: 'rejected', record: ['T4', 'high', 'web', 'too much'] },
  ]);
});

test('a terminal sees a bar', async () => {
  const app = await startMapApp();
  const { err } = await run('t.ndjson', ndjson(tickets(10)), ['--org', 'acme', '--url', app.url], {
    isTTY: true,
  });
  expect(err).toMatch(/\[#{24}\] 100 % sent/);
});

test('--dry-run writes nothing, --skip-unchanged leaves out what is there', async () => {
  const app = await startMapApp();
  const args = ['--org', 'acme', '--url', app.url];
  const content = ndjson(tickets(3));
  await run('t.ndjson', content, [...args, '--dry-run']);
  expect(app.writes()).toBe(0);
  await run('t.ndjson', content, [...args, '--skip-unchanged']);
  const { out } = await run('t.ndjson', content, [...args, '--skip-unchanged']);
  expect(JSON.parse(out)).toMatchObject({ written: 0, unchanged: 3 });
});

test.each([
  ['no --org', ['--url', 'http://127.0.0.1:1'], /--org is missing/],
  ['an unknown option', ['--org', 'acme', '--fast'], /--fast/],
  ['a key that is not set', ['--org', 'acme', '--api-key-env', 'NO_KEY'], /NO_KEY is not set/],
  ['a service that is not there', ['--org', 'acme', '--url', 'http://127.0.0.1:1'], /ECONNREFUSED/],
])('%s: exit code 2', async (_name, args, message) => {
  const { code, err } = await run('t.ndjson', ndjson(tickets(1)), args);
  expect(code).toBe(2);
  expect(err).toMatch(message);
});

test('a file of rejects that cannot be opened or written: exit code 2 with the reason', async () => {
  const app = await startMapApp();
  const args = ['--org', 'acme', '--url', app.url, '--rejects'];
  const unopened = await run('t.ndjson', ndjson(tickets(3)), [...args, '/no/such/folder/x']);
  expect(unopened.code).toBe(2);
  expect(unopened.err).toContain("open '/no/such/folder/x'");
  expect(app.writes()).toBe(0);

  const full = await run('t.ndjson', 'not json\n', [...args, '/dev/full']);
  expect(full.code).toBe(2);
  expect(full.err).toContain('ENOSPC');
});

test('a refusal by the service, a broken CSV and a missing file: exit code 2 with the reason', async () => {
  const app = await startMapApp();
  const args = ['--org', '../acme', '--url', app.url];
  expect(await run('t.ndjson', ndjson(tickets(1)), args)).toMatchObject({ code: 2 });
  const broken = await run('t.csv', 'ticketId\n"T1', ['--org', 'acme', '--url', app.url]);
  expect(broken).toMatchObject({ code: 2 });
  expect(broken.err).toContain('row 2: a quote is not closed');
  const twice = await run('t.csv', 'a,a\n1,2', ['--org', 'acme', '--url', app.url]);
  expect(twice.err).toContain('column 2 of the header');
});
