import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { createJournal, type Journal, type NewEvent } from '../../../src/events/journal/journal.ts';
import { journalFolder } from '../../support/worker-under-test.ts';

const LIMITS = { maxBytes: 10_000_000, maxRows: 10_000, dedupeRows: 100, busyTimeoutMs: 50 };

function event(name: string, size = 10): NewEvent {
  const raw = JSON.stringify({ id: name, text: 'x'.repeat(size) });
  return { eventId: name, key: name, takenAtMs: 1000, raw };
}

async function freshPath(): Promise<string> {
  return join(await journalFolder(), 'deep', 'journal.db');
}

function openJournal(path: string, limits: Partial<typeof LIMITS> = {}): Journal {
  const journal = createJournal({ path, ...LIMITS, ...limits });
  onTestFinished(() => {
    try {
      journal.close();
    } catch {
      // The test has closed it.
    }
  });
  return journal;
}

function failureOf(work: () => unknown): ConfigError {
  try {
    work();
  } catch (error) {
    if (error instanceof ConfigError) return error;
    throw error;
  }
  throw new Error('It did not fail');
}

describe('what is written', () => {
  test('numbers events in their order, keeps ids and gives them back after a number', async () => {
    const journal = openJournal(await freshPath());
    expect(journal.write({ take: [event('a'), event('b')] })).toBe(1);
    expect(journal.write({ take: [event('c')] })).toBe(3);

    expect(journal.eventsAfter(1, 10, 1e6)).toMatchObject([
      { seq: 2, eventId: 'b', takenAtMs: 1000 },
      { seq: 3, eventId: 'c' },
    ]);
    expect(journal.eventsAfter(0, 2, 1e6)).toHaveLength(2);
    expect(journal.eventsAfter(0, 10, 1)).toHaveLength(1);
  });

  test('gives only the raw event where an older version kept what it had transformed', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    journal.write({ take: [event('a')] });
    journal.close();
    const file = new DatabaseSync(path);
    file.exec(`UPDATE events SET entry = '{"source":"s"}'`);
    file.close();
    const { key: _unused, ...kept } = event('a');
    expect(openJournal(path).eventsAfter(0, 1, 1e6)).toEqual([{ ...kept, seq: 1 }]);
  });

  test('an event becomes a letter in one transaction', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    journal.write({ take: [event('a'), event('b')] });
    journal.write({ settle: [1], letters: ['{"of":"a"}'] });
    journal.close();

    const again = openJournal(path);
    expect(again.events).toBe(1);
    expect(again.lettersAfter(0, 10)).toMatchObject([{ seq: 1, body: '{"of":"a"}' }]);
    again.write({ sent: [1] });
    expect(again.letters).toBe(0);
  });

  test('what it keeps of events can be read by its owner only', async () => {
    const path = await freshPath();
    openJournal(path).write({ take: [event('a')] });
    for (const file of [path, `${path}-wal`]) expect(statSync(file).mode & 0o777).toBe(0o600);
  });

  test('remembers names', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    expect(journal.recall('subscription')).toBeUndefined();
    journal.remember('subscription', 'one');
    journal.remember('subscription', 'two');
    journal.close();
    expect(openJournal(path).recall('subscription')).toBe('two');
  });

  test('knows the age of the oldest event', async () => {
    const path = await freshPath();
    const journal = createJournal({ path, ...LIMITS, now: () => 5000 });
    onTestFinished(() => journal.close());
    expect(journal.oldestAgeMs).toBe(0);
    journal.write({ take: [event('a'), { ...event('b'), takenAtMs: 3000 }], letters: ['{}'] });
    expect(journal.oldestAgeMs).toBe(4000);
    journal.write({ settle: [1] });
    expect(journal.oldestAgeMs).toBe(2000);
    expect(journal.oldestLetterAgeMs).toBe(0);
  });
});

describe('against a model', () => {
  const change = fc.record({
    take: fc.array(fc.integer({ min: 0, max: 20 }), { maxLength: 5 }),
    settle: fc.array(fc.nat(), { maxLength: 5 }),
    giveUp: fc.array(fc.nat(), { maxLength: 3 }),
    sent: fc.array(fc.nat(), { maxLength: 3 }),
    reopen: fc.boolean(),
  });

  test('what is unsettled is exactly what was taken, minus what was settled, across reopening', async () => {
    const folder = await journalFolder();
    let runs = 0;
    fc.assert(
      fc.property(fc.array(change, { maxLength: 12 }), (changes) => {
        runs += 1;
        const path = join(folder, `${runs}.db`);
        let journal = createJournal({ path, ...LIMITS });
        try {
          const events = new Map<number, string>();
          const letters = new Map<number, string>();
          let lastSeq = 0;
          let lastLetter = 0;
          for (const { take, settle, giveUp, sent, reopen } of changes) {
            const pick = (from: Map<number, string>, at: readonly number[]) =>
              at.flatMap((index) => [...from.keys()][index % Math.max(1, from.size)] ?? []);
            const settled = pick(events, settle);
            const givenUp = pick(events, giveUp);
            const posted = pick(letters, sent);
            const names = take.map((name) => `event-${name}`);
            const bodies = givenUp.map((seq) => `{"seq":${seq}}`);
            journal.write({
              take: names.map((name) => event(name)),
              settle: [...settled, ...givenUp],
              letters: bodies,
              sent: posted,
            });
            for (const seq of [...settled, ...givenUp]) events.delete(seq);
            for (const seq of posted) letters.delete(seq);
            for (const name of names) {
              lastSeq += 1;
              events.set(lastSeq, name);
            }
            for (const body of bodies) {
              lastLetter += 1;
              letters.set(lastLetter, body);
            }
            if (reopen) {
              journal.close();
              journal = createJournal({ path, ...LIMITS });
              lastLetter = Math.max(0, ...letters.keys());
            }
            expect(journal.events).toBe(events.size);
            expect(journal.letters).toBe(letters.size);
            const stored = journal
              .eventsAfter(0, 1000, 1e9)
              .map(({ seq, eventId }) => [seq, eventId]);
            expect(stored).toEqual([...events].sort(([a], [b]) => a - b));
            expect(journal.lettersAfter(0, 1000).map(({ seq, body }) => [seq, body])).toEqual([
              ...letters,
            ]);
          }
        } finally {
          journal.close();
        }
      }),
      { numRuns: 30 },
    );
  });

  test('a killed process loses nothing that was committed', async () => {
    const path = await freshPath();
    openJournal(path).close();
    for (let kill = 0; kill < 3; kill += 1) {
      const writer = spawn(
        process.execPath,
        ['test/events/journal/support/journal-writer.ts', path, String(kill * 1_000_000)],
        { stdio: ['ignore', 'pipe', 'inherit'] },
      );
      let acknowledged = '';
      writer.stdout.setEncoding('utf8').on('data', (text: string) => {
        acknowledged += text;
        if (acknowledged.length > 2000 + 700 * kill) writer.kill('SIGKILL');
      });
      await once(writer, 'close');
      // The last line may be cut.
      const ids = acknowledged.split('\n').slice(0, -1);
      expect(ids.length).toBeGreaterThan(50);
      const journal = openJournal(path);
      const stored = new Set(journal.eventsAfter(0, 1e6, 1e9).map(({ eventId }) => eventId));
      expect(ids.filter((id) => !stored.has(id))).toEqual([]);
      journal.close();
    }
  });
});

describe('duplicates', () => {
  test('knows a key again, also after reopening', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    expect(journal.claim('a')).toBe(true);
    expect(journal.claim('a')).toBe(false);
    journal.write({ take: [event('a')], settle: [] });
    journal.write({ settle: [1] });
    journal.close();
    const again = openJournal(path);
    expect(again.claim('a')).toBe(false);
    expect(again.claim('b')).toBe(true);
  });

  test('forgets the oldest keys, in memory and on disk', async () => {
    const path = await freshPath();
    const journal = openJournal(path, { dedupeRows: 10 });
    for (let number = 0; number < 100; number += 1) {
      const name = `event-${number}`;
      expect(journal.claim(name)).toBe(true);
      journal.write({ take: [event(name)], settle: [number] });
    }
    expect(journal.claim('event-99')).toBe(false);
    expect(journal.claim('event-50')).toBe(true);
    journal.close();
    const rows = new DatabaseSync(path).prepare('SELECT count(*) AS n FROM seen').get();
    expect(rows?.['n']).toBe(10);
  });

  test('0 rows: nothing is a duplicate', async () => {
    const journal = openJournal(await freshPath(), { dedupeRows: 0 });
    expect([journal.claim('a'), journal.claim('a')]).toEqual([true, true]);
  });
});

describe('bounds', () => {
  test('is full at its number of rows, and no more when some are settled', async () => {
    const journal = openJournal(await freshPath(), { maxRows: 3 });
    journal.write({ take: [event('a'), event('b')] });
    expect(journal.full).toBe(false);
    journal.write({ letters: ['{}'] });
    expect(journal.full).toBe(true);
    journal.write({ settle: [1] });
    expect(journal.full).toBe(false);
  });

  test('is full at its size; freed pages are used again, so that the file stops growing', async () => {
    const journal = openJournal(await freshPath(), { maxBytes: 200_000 });
    let last = 0;
    const fill = () => {
      while (!journal.full) last = journal.write({ take: [event(`event-${last}`, 5000)] });
    };
    fill();
    const { bytes } = journal;
    expect(bytes).toBeLessThan(250_000);
    for (let round = 0; round < 5; round += 1) {
      const seqs = journal.eventsAfter(0, 1000, 1e9).map(({ seq }) => seq);
      journal.write({ settle: seqs });
      expect(journal.full).toBe(false);
      fill();
    }
    expect(journal.bytes).toBeLessThan(250_000);
  });
});

describe('a file that must not be touched', () => {
  test('in use by another process, or by this one', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    const error = failureOf(() => openJournal(path));
    expect(error.code).toBe('journal_in_use');
    expect(error.message).toContain(path);

    const other = spawn(
      process.execPath,
      ['test/events/journal/support/journal-writer.ts', path, '0'],
      {
        stdio: ['ignore', 'ignore', 'pipe'],
      },
    );
    onTestFinished(() => void other.kill('SIGKILL'));
    let complaint = '';
    other.stderr.on('data', (text: Buffer) => {
      complaint += text.toString();
    });
    const [code] = (await once(other, 'close')) as [number];
    expect(code).not.toBe(0);
    expect(complaint).toContain('journal_in_use');
    journal.write({ take: [event('a')] });
  });

  test('a database of another application stays as it is', async () => {
    const path = join(await journalFolder(), 'other.db');
    const database = new DatabaseSync(path);
    database.exec('CREATE TABLE precious (x); INSERT INTO precious VALUES (1)');
    database.close();
    const before = readFileSync(path);
    expect(failureOf(() => openJournal(path)).code).toBe('journal_foreign');
    expect(readFileSync(path).equals(before)).toBe(true);
    expect(existsSync(`${path}-wal`)).toBe(false);
  });

  test('a file that is no database stays as it is', async () => {
    const path = join(await journalFolder(), 'notes.txt');
    writeFileSync(path, 'not a database, but somebody may need it\n'.repeat(200));
    const error = failureOf(() => openJournal(path));
    expect(error.code).toBe('journal_damaged');
    expect(error.message).toContain('Move the file');
    expect(readFileSync(path, 'utf8')).toContain('somebody may need it');
  });

  test('a damaged journal is not started from zero', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    for (let number = 0; number < 50; number += 1) {
      journal.write({ take: [event(`event-${number}`, 3000)] });
    }
    journal.close();
    const file = await open(path, 'r+');
    await file.write(Buffer.alloc(20_000, 0x5a), 0, 20_000, 24_576);
    await file.close();
    expect(failureOf(() => openJournal(path)).code).toBe('journal_damaged');
  });

  test('a journal that was cut off is not started from zero', async () => {
    const path = await freshPath();
    const journal = openJournal(path);
    for (let number = 0; number < 50; number += 1) {
      journal.write({ take: [event(`event-${number}`, 3000)] });
    }
    journal.close();
    truncateSync(path, 40_960);
    expect(failureOf(() => openJournal(path)).code).toBe('journal_damaged');
  });

  test('a journal of a later version of the service', async () => {
    const path = await freshPath();
    openJournal(path).close();
    const database = new DatabaseSync(path);
    database.exec('PRAGMA user_version = 99');
    database.close();
    expect(failureOf(() => openJournal(path)).code).toBe('journal_version_unknown');
  });

  test('a place where nothing can be written', () => {
    expect(failureOf(() => openJournal('/proc/nowhere/journal.db')).code).toBe(
      'journal_unwritable',
    );
    expect(failureOf(() => openJournal('/proc/journal.db')).code).toBe('journal_unwritable');
  });
});
