import { chmodSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { keepPrivate } from '../../../src/lib/files/private-files.ts';

function makeFolder(mode: number): string {
  const root = mkdtempSync(join(tmpdir(), 'private-'));
  onTestFinished(() => rmSync(root, { recursive: true }));
  const folder = join(root, 'data');
  mkdirSync(folder);
  chmodSync(folder, mode);
  return folder;
}
const modeOf = (path: string) => statSync(path).mode & 0o777;

test.each([0o644, 0o666, 0o640, 0o777, 0o604])('a file of mode %o is closed to others', (mode) => {
  const path = join(makeFolder(0o755), 'journal.db');
  for (const file of [path, `${path}-wal`]) {
    writeFileSync(file, 'kept');
    chmodSync(file, mode);
  }
  expect(keepPrivate(path)).toEqual([]);
  for (const file of [path, `${path}-wal`]) expect(modeOf(file)).toBe(0o600);
});

test('what is private, or not there, stays as it is', () => {
  const path = join(makeFolder(0o700), 'journal.db');
  expect(keepPrivate(path)).toEqual([]);
  writeFileSync(path, '');
  chmodSync(path, 0o400);
  expect(keepPrivate(path)).toEqual([]);
  expect(modeOf(path)).toBe(0o400);
});

test('says what it cannot close', () => {
  const folder = makeFolder(0o777);
  expect(keepPrivate(join(folder, 'journal.db'))).toEqual([folder]);
  chmodSync(folder, 0o1777);
  expect(keepPrivate(join(folder, 'journal.db'))).toEqual([]);
  // Nobody changes modes in there, not even root.
  expect(keepPrivate('/proc/self/status')).toEqual(['/proc/self/status']);
});
