import { execFileSync, spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { copyFileSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { parse } from 'yaml';
import { journalCommand } from '../../src/cli/journal.ts';
import { createJournal } from '../../src/events/journal/journal.ts';
import type { Salvaged } from '../../src/events/journal/salvage.ts';
import {
  interaction,
  journalFolder,
  sandboxForTest,
  workerOn,
} from '../support/worker-under-test.ts';

const LIMITS = { maxBytes: 1e9, maxRows: 1e6, dedupeRows: 1000, busyTimeoutMs: 50 };
/** Rows of a page, and one for a page of a long event. */
const MOST_ON_ONE_PAGE = 30;

async function run(path: string, ...args: string[]) {
  let output = '';
  const write = (text: string) => void (output += text);
  const environment = { JOURNAL_PATH: path, GENESYS_BASE_URL: 'not of interest' };
  const code = await journalCommand(environment, args, { write, busyTimeoutMs: 50 });
  return { code, output };
}

function linesOf(file: string) {
  return readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Salvaged | { kind: 'end' });
}

/** Of 400 events every third is settled, and some are long; there are letters beside them. */
async function journalWith({ closed = true } = {}) {
  const folder = await journalFolder();
  const path = join(folder, 'journal.db');
  const journal = createJournal({ path, ...LIMITS });
  const rawOf = (n: number) =>
    JSON.stringify({ id: `i-${n}`, text: 'Größe '.repeat(n % 50 === 1 ? 3000 : 20), big: n });
  const all = Array.from({ length: 400 }, (_, n) => n);
  for (let from = 0; from < 400; from += 10) {
    const take = all.slice(from, from + 10).map((n) => {
      const entry = n === 7 ? JSON.stringify({ source: 'as it was' }) : undefined;
      return { eventId: `e-${n}`, key: `k-${n}`, takenAtMs: 1e12 + n, raw: rawOf(n), entry };
    });
    journal.write({ take, letters: from < 20 ? take.map(({ key }) => `{"letter":"${key}"}`) : [] });
  }
  const isSettled = (n: number) => n % 3 === 0;
  journal.write({ settle: all.filter(isSettled).map((n) => n + 1) });
  journal.remember('subscription', 's-1');
  if (closed) journal.close();
  else onTestFinished(() => journal.close());
  const raws = new Map(all.filter((n) => !isSettled(n)).map((n) => [`e-${n}`, rawOf(n)]));
  return { folder, path, raws, all: new Map(all.map((n) => [`e-${n}`, rawOf(n)])) };
}

/** A copy as of a process that was killed: with what is in the -wal only. */
function copyOf({ folder, path }: { folder: string; path: string }, name: string): string {
  const copy = join(folder, name);
  copyFileSync(path, copy);
  if (existsSync(`${path}-wal`)) copyFileSync(`${path}-wal`, `${copy}-wal`);
  return copy;
}

function overwrite(file: string, at: number, bytes: Uint8Array): void {
  const content = readFileSync(file);
  content.set(bytes.subarray(0, Math.max(0, content.length - at)), at);
  writeFileSync(file, content);
}

/** How many unsettled events were not saved; what was saved is as it was. */
function missing(file: string, { raws, all }: Awaited<ReturnType<typeof journalWith>>): number {
  const left = new Map(raws);
  for (const line of linesOf(file)) {
    if (line.kind !== 'event') continue;
    expect(line.raw).toBe(all.get(line.eventId));
    left.delete(line.eventId);
  }
  return left.size;
}

describe('rescue', () => {
  test('of a whole journal: all that is unsettled, and nothing else', async () => {
    const journal = await journalWith();
    const target = join(journal.folder, 'saved.ndjson');
    const before = readFileSync(journal.path);
    expect(await run(journal.path, '--journal-rescue', target)).toEqual({
      code: 0,
      output: 'Saved: 266 events, 20 letters, 0 with damaged text\n',
    });
    expect(missing(target, journal)).toBe(0);
    expect(linesOf(target)).toContainEqual({ kind: 'state', name: 'subscription', value: 's-1' });
    expect(statSync(target).mode & 0o777).toBe(0o600);
    expect(readFileSync(journal.path).equals(before)).toBe(true);
  });

  test('whichever page is destroyed, only what lay on it is missing', async () => {
    const journal = await journalWith();
    const pages = statSync(journal.path).size / 4096;
    for (let page = 0; page < pages; page += 1) {
      const copy = copyOf(journal, `copy-${page}.db`);
      overwrite(copy, page * 4096, Buffer.alloc(4096, 0x5a));
      const { code } = await run(copy, '--journal-rescue', `${copy}.ndjson`);
      expect(code).toBe(0);
      expect(missing(`${copy}.ndjson`, journal)).toBeLessThanOrEqual(MOST_ON_ONE_PAGE);
    }
  });

  test.each([
    ['the file', ''],
    ['the -wal', '-wal'],
  ])('random bytes in %s: no more is missing than what they hit', async (_name, end) => {
    const journal = await journalWith({ closed: false });
    const size = statSync(journal.path + end).size;
    let copies = 0;
    await fc.assert(
      fc.asyncProperty(
        fc.nat(Math.max(0, size - 1)),
        fc.uint8Array({ minLength: 1, maxLength: 64 }),
        async (at, bytes) => {
          copies += 1;
          const copy = copyOf(journal, `random${end}-${copies}.db`);
          overwrite(copy + end, at, bytes);
          const before = readFileSync(copy + end);
          expect((await run(copy, '--journal-rescue', `${copy}.ndjson`)).code).toBe(0);
          expect(readFileSync(copy + end).equals(before)).toBe(true);
          const saved = linesOf(`${copy}.ndjson`).filter(({ kind }) => kind === 'event');
          // Bytes inside of a text may leave it valid; then nobody can see it.
          const ids = new Set(saved.map((line) => 'eventId' in line && line.eventId));
          const left = [...journal.raws.keys()].filter((id) => !ids.has(id));
          expect(left.length).toBeLessThanOrEqual(2 * MOST_ON_ONE_PAGE);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a journal in use is left alone', async () => {
    const journal = await journalWith({ closed: false });
    const target = join(journal.folder, 'saved.ndjson');
    const { code, output } = await run(journal.path, '--journal-rescue', target);
    expect(code).toBe(1);
    expect(output).toContain('in use');
    expect(existsSync(target)).toBe(false);
  });

  test('a target that cannot be written, or is there already', async () => {
    const { folder, path } = await journalWith();
    expect(await run(path, '--journal-rescue', join(folder, 'no', 'file'))).toMatchObject({
      code: 1,
      output: expect.stringContaining('ENOENT') as string,
    });
    const mine = join(folder, 'mine');
    writeFileSync(mine, 'keep');
    expect((await run(path, '--journal-rescue', mine)).code).toBe(1);
    expect(readFileSync(mine, 'utf8')).toBe('keep');
    expect((await run(join(folder, 'none'), '--journal-rescue', `${mine}2`)).code).toBe(1);
    expect((await run(path)).code).toBe(2);
  });

  test('a disk that gets full: exit code 1, no half file, and the journal is as it was', async () => {
    const { folder, path } = await journalWith();
    const target = join(folder, 'saved.ndjson');
    const before = readFileSync(path);
    // The kernel refuses to write beyond this size, as a full disk would.
    const { status, stdout } = spawnSync(
      'prlimit',
      ['--fsize=16384', process.execPath, 'src/main.ts', '--journal-rescue', target],
      { env: { PATH: process.env['PATH'], JOURNAL_PATH: path }, encoding: 'utf8' },
    );
    expect(stdout).toContain('EFBIG');
    expect(status).toBe(1);
    expect(existsSync(target)).toBe(false);
    expect(readFileSync(path).equals(before)).toBe(true);
  });
});

describe('restore', () => {
  test('what was saved is published under the same ids; damaged text becomes a letter', async () => {
    const folder = await journalFolder();
    const path = join(folder, 'journal.db');
    const journal = createJournal({ path, ...LIMITS });
    const events = [interaction(), interaction(), interaction()];
    const ids = events.map(() => randomUUID());
    const take = events.map((event, n) => ({
      eventId: ids[n] ?? '',
      key: undefined,
      takenAtMs: Date.now(),
      raw: JSON.stringify(event),
      entry: undefined,
    }));
    journal.write({ take });
    journal.close();
    const content = readFileSync(path);
    content[content.indexOf(events[1]?.id ?? '') - 2] = 0xff;
    writeFileSync(path, content);

    const saved = join(folder, 'saved.ndjson');
    execFileSync(process.execPath, ['src/main.ts', '--journal-rescue', saved], {
      env: { PATH: process.env['PATH'], NODE_ENV: 'production', JOURNAL_PATH: path },
    });
    const restored = join(folder, 'new', 'journal.db');
    expect(await run(restored, '--journal-restore', saved)).toEqual({
      code: 0,
      output: 'Restored: 2 events, 0 letters, 1 with damaged text\n',
    });

    const sandbox = await sandboxForTest();
    const { worker } = await workerOn(sandbox, { journal: { path: restored } });
    worker.start();
    await vi.waitFor(() => expect(sandbox.cloud.busEventCount()).toBe(2));
    const published = sandbox.cloud.busEvents.map(
      ({ detail }) => (JSON.parse(detail) as { metadata: { eventId: string } }).metadata.eventId,
    );
    expect(new Set(published)).toEqual(new Set([ids[0], ids[2]]));
    await vi.waitFor(() => expect(sandbox.cloud.deadLetters()).toHaveLength(1));
    const letter = JSON.parse(sandbox.cloud.deadLetters()[0]?.body ?? '') as Record<string, string>;
    expect(Buffer.from(letter['originalEvent'] ?? '', 'base64').includes(0xff)).toBe(true);
  });

  test('never over a journal, and all or nothing', async () => {
    const { folder, path } = await journalWith();
    const saved = join(folder, 'saved.ndjson');
    await run(path, '--journal-rescue', saved);
    const before = readFileSync(path);
    expect(await run(path, '--journal-restore', saved)).toMatchObject({
      code: 1,
      output: expect.stringContaining('move it away') as string,
    });
    expect(readFileSync(path).equals(before)).toBe(true);

    const fresh = join(folder, 'fresh.db');
    const lines = readFileSync(saved, 'utf8').trimEnd().split('\n');
    const bad = [lines.slice(0, -1), lines.slice(1), [lines[0], 'nonsense'], []];
    for (const text of bad.map((some) => some.join('\n'))) {
      writeFileSync(`${saved}.bad`, text);
      expect((await run(fresh, '--journal-restore', `${saved}.bad`)).code).toBe(1);
      expect(existsSync(fresh)).toBe(false);
    }
    expect((await run(fresh, '--journal-restore', join(folder, 'none'))).code).toBe(1);
    expect((await run(fresh, '--journal-restore', saved)).code).toBe(0);
    const journal = createJournal({ path: fresh, ...LIMITS });
    expect(journal).toMatchObject({ events: 266, letters: 20 });
    expect(journal.recall('subscription')).toBe('s-1');
    expect(journal.eventsAfter(0, 7, 1e9).map(({ eventId }) => eventId)).toContain('e-7');
    journal.close();
  });
});

const manifestOf = (name: string) => readFileSync(`deploy/kubernetes/${name}.yaml`, 'utf8');

function scriptOfJob(): string {
  const job = parse(manifestOf('journal-rescue')) as {
    spec: { template: { spec: { containers: { args: string[] }[] } } };
  };
  return job.spec.template.spec.containers[0]?.args[0] ?? '';
}

function scriptOfRunbook(): string {
  const [, section = ''] = readFileSync('docs/runbook.md', 'utf8').split(
    '## The journal is damaged',
  );
  const [text = ''] = section.split('\n## ');
  return Array.from(text.matchAll(/```sh\n(.*?)```/gs), ([, commands]) => commands).join('');
}

test.each([
  ['the Kubernetes Job', scriptOfJob],
  ['the runbook', scriptOfRunbook],
])('%s brings a damaged journal back', async (_name, scriptOf) => {
  const journal = await journalWith();
  overwrite(journal.path, 4096, Buffer.alloc(4096, 0x5a));
  const script = scriptOf()
    .replaceAll('/data', journal.folder)
    .replaceAll('node dist/main.js', `'${process.execPath}' src/main.ts`);
  expect(script).toContain('--journal-restore');
  execFileSync('/bin/sh', ['-euc', script], {
    env: { PATH: process.env['PATH'], NODE_ENV: 'production', JOURNAL_PATH: journal.path },
  });
  const restored = createJournal({ path: journal.path, ...LIMITS });
  expect(restored.events).toBeGreaterThanOrEqual(266 - MOST_ON_ONE_PAGE);
  restored.close();
});

test('the Job works on the volume of the Deployment', () => {
  const [claim = 'none'] = /claimName: [\w-]+/.exec(manifestOf('interaction-bridge')) ?? [];
  expect(manifestOf('journal-rescue')).toContain(claim);
});
