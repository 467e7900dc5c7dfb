import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import type { AttributeUpdate } from '../../../src/attributes/ports.ts';
import {
  createFingerprints,
  type Fingerprints,
} from '../../../src/attributes/upsert/fingerprints.ts';

const update = (id: string, value: string | number = 'x'): AttributeUpdate => ({
  id,
  attributes: new Map([['a', value]]),
});

async function path(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fingerprints-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'sub', 'f.db');
}

/** An import that writes one update at a time, as far as the test says. */
function importOf(fingerprints: Fingerprints) {
  const writing = new Set<string>();
  const mine = fingerprints.open((id) => writing.has(id));
  return {
    has: (one: AttributeUpdate) => mine.has(one),
    begin(...updates: AttributeUpdate[]) {
      mine.announce(updates);
      for (const { id } of updates) writing.add(id);
      return (confirmed: readonly AttributeUpdate[]) => {
        mine.settle(updates, confirmed);
        for (const { id } of updates) writing.delete(id);
      };
    },
    write(...updates: AttributeUpdate[]) {
      this.begin(...updates)(updates);
    },
  };
}

test('what was confirmed is known, also after a restart; another value or id is not', async () => {
  const file = await path();
  const first = createFingerprints({ path: file, maxRows: 10 });
  importOf(first).write(update('T1', 'v'));
  first.close();

  const again = createFingerprints({ path: file, maxRows: 10 });
  onTestFinished(() => again.close());
  const { has } = importOf(again);
  expect(has(update('T1', 'v'))).toBe(true);
  expect(has(update('T1', 'w'))).toBe(false);
  expect(has(update('T2', 'v'))).toBe(false);
  importOf(again).write(update('N', 1));
  expect(has(update('N', '1'))).toBe(false);
});

test('a crash between announcing and settling leaves no fingerprint', async () => {
  const file = await path();
  const first = createFingerprints({ path: file, maxRows: 10 });
  const one = importOf(first);
  one.write(update('T1', 'old'), update('T2', 'kept'));
  one.begin(update('T1', 'new'));
  // The process ends here.
  first.close();

  const again = createFingerprints({ path: file, maxRows: 10 });
  onTestFinished(() => again.close());
  const { has } = importOf(again);
  expect(has(update('T1', 'old'))).toBe(false);
  expect(has(update('T1', 'new'))).toBe(false);
  expect(has(update('T2', 'kept'))).toBe(true);
});

test('overlapping writes of two imports leave no fingerprint, in whatever order they end', async () => {
  const fingerprints = createFingerprints({ path: await path(), maxRows: 10 });
  onTestFinished(() => fingerprints.close());
  const [one, two, three] = [
    importOf(fingerprints),
    importOf(fingerprints),
    importOf(fingerprints),
  ];
  const a = update('T1', 'a');
  const b = update('T1', 'b');
  const c = update('T1', 'c');
  const endA = one.begin(a);
  const endB = two.begin(b);
  endB([b]);
  // A is still under way, so C overlaps with it too.
  const endC = three.begin(c);
  endC([c]);
  endA([a]);
  for (const any of [a, b, c]) expect(one.has(any)).toBe(false);
  one.write(a);
  expect(two.has(a)).toBe(true);
  one.begin(b);
  expect(two.has(a)).toBe(false);
});

test('the oldest go first when there are too many', async () => {
  const fingerprints = createFingerprints({ path: await path(), maxRows: 3 });
  onTestFinished(() => fingerprints.close());
  const one = importOf(fingerprints);
  for (const id of ['a', 'b', 'c', 'a', 'd', 'e']) one.write(update(id));
  expect(['a', 'b', 'c', 'd', 'e'].filter((id) => one.has(update(id)))).toEqual(['a', 'd', 'e']);
});

test('no file is made before there is something to keep', async () => {
  const file = await path();
  const fingerprints = createFingerprints({ path: file, maxRows: 3 });
  onTestFinished(() => fingerprints.close());
  const one = importOf(fingerprints);
  one.begin(update('a'))([]);
  expect(existsSync(file)).toBe(false);
  one.write(update('a'));
  expect(existsSync(file)).toBe(true);
});

test('a file that is no database is refused and left as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fingerprints-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'notes.txt');
  await writeFile(file, 'My notes, much longer than a header of a database would be.'.repeat(50));
  expect(() => createFingerprints({ path: file, maxRows: 3 })).toThrow(/FINGERPRINT_PATH/);
});
