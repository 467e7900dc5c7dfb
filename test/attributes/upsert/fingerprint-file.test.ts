import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createFingerprintFile } from '../../../src/attributes/upsert/fingerprint-file.ts';
import { importOf, update } from '../../support/fingerprints.ts';

async function path(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'fingerprints-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'sub', 'f.db');
}

test('what was confirmed is known, also after a restart; another value or id is not', async () => {
  const file = await path();
  const first = createFingerprintFile({ path: file, maxRows: 10 });
  await importOf(first).write(update('T1', 'v'));
  first.close();

  const again = createFingerprintFile({ path: file, maxRows: 10 });
  onTestFinished(() => again.close());
  const { has } = importOf(again);
  expect(await has(update('T1', 'v'))).toBe(true);
  expect(await has(update('T1', 'w'))).toBe(false);
  expect(await has(update('T2', 'v'))).toBe(false);
  await importOf(again).write(update('N', 1));
  expect(await has(update('N', '1'))).toBe(false);
});

test('a crash between announcing and settling leaves no fingerprint', async () => {
  const file = await path();
  const first = createFingerprintFile({ path: file, maxRows: 10 });
  const one = importOf(first);
  await one.write(update('T1', 'old'), update('T2', 'kept'));
  await one.begin(update('T1', 'new'));
  // The process ends here.
  first.close();

  const again = createFingerprintFile({ path: file, maxRows: 10 });
  onTestFinished(() => again.close());
  const { has } = importOf(again);
  expect(await has(update('T1', 'old'))).toBe(false);
  expect(await has(update('T1', 'new'))).toBe(false);
  expect(await has(update('T2', 'kept'))).toBe(true);
});

test('overlapping writes of two imports leave no fingerprint, in whatever order they end', async () => {
  const fingerprints = createFingerprintFile({ path: await path(), maxRows: 10 });
  onTestFinished(() => fingerprints.close());
  const [one, two, three] = [
    importOf(fingerprints),
    importOf(fingerprints),
    importOf(fingerprints),
  ];
  const a = update('T1', 'a');
  const b = update('T1', 'b');
  const c = update('T1', 'c');
  const endA = await one.begin(a);
  const endB = await two.begin(b);
  await endB([b]);
  // A is still under way, so C overlaps with it too.
  const endC = await three.begin(c);
  await endC([c]);
  await endA([a]);
  for (const any of [a, b, c]) expect(await one.has(any)).toBe(false);
  await one.write(a);
  expect(await two.has(a)).toBe(true);
  await one.begin(b);
  expect(await two.has(a)).toBe(false);
});

test('the oldest go first when there are too many', async () => {
  const fingerprints = createFingerprintFile({ path: await path(), maxRows: 3 });
  onTestFinished(() => fingerprints.close());
  const one = importOf(fingerprints);
  for (const id of ['a', 'b', 'c', 'a', 'd', 'e']) await one.write(update(id));
  for (const id of ['a', 'd', 'e']) expect(await one.has(update(id))).toBe(true);
  for (const id of ['b', 'c']) expect(await one.has(update(id))).toBe(false);
});

test('no file is made before there is something to keep', async () => {
  const file = await path();
  const fingerprints = createFingerprintFile({ path: file, maxRows: 3 });
  onTestFinished(() => fingerprints.close());
  const one = importOf(fingerprints);
  await (await one.begin(update('a')))([]);
  expect(existsSync(file)).toBe(false);
  await one.write(update('a'));
  expect(existsSync(file)).toBe(true);
});

test('a file that is no database is refused and left as it is', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'fingerprints-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const file = join(folder, 'notes.txt');
  await writeFile(file, 'My notes, much longer than a header of a database would be.'.repeat(50));
  expect(() => createFingerprintFile({ path: file, maxRows: 3 })).toThrow(/FINGERPRINT_PATH/);
});
