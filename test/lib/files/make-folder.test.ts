import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { createFingerprintFile } from '../../../src/attributes/upsert/fingerprint-file.ts';
import { makeFolder } from '../../../src/lib/files/make-folder.ts';

test('makes what is missing, and takes what is there', () => {
  const root = mkdtempSync(join(tmpdir(), 'folder-'));
  try {
    makeFolder(join(root, 'a', 'b'));
    makeFolder(join(root, 'a', 'b'));
    for (const folder of ['a', 'a/b'])
      expect(statSync(join(root, folder)).mode & 0o777).toBe(0o700);
  } finally {
    rmSync(root, { recursive: true });
  }
});

// mkdir's own `recursive` would never return here.
test('ends where a file system answers ENOENT', () => {
  expect(() => makeFolder('/proc/nowhere/deeper')).toThrow();
});

test('fingerprints that cannot be kept there are an error, not a hang', async () => {
  const fingerprints = createFingerprintFile({ path: '/proc/nowhere/deep/er.db', maxRows: 10 });
  const run = fingerprints.open(() => false);
  const updates = [{ id: 'T1', attributes: new Map([['a', 'x']]) }];
  const settle = await run.announce(updates);
  await expect(settle(updates)).rejects.toThrow('/proc/nowhere/deep/er.db');
  fingerprints.close();
});
