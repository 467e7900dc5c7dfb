import { mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type LiveFile, openLiveFile } from '../../../src/lib/files/live-file.ts';
import { createLogger } from '../../../src/lib/logger.ts';

let folder = '';
let path = '';
let logged: string[] = [];
let file: LiveFile<unknown> | undefined;
const log = createLogger({ level: 'info', destination: { write: (text) => logged.push(text) } });
const parse = (text: string): unknown => JSON.parse(text);

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'live-file-'));
  path = join(folder, 'mapping.json');
  logged = [];
  await writeFile(path, '{"a":1}');
});

afterEach(async () => {
  file?.stop();
  await rm(folder, { recursive: true });
});

test('an edit is picked up by itself, with a new version', async () => {
  const seen: unknown[] = [];
  file = await openLiveFile({
    path,
    parse,
    log,
    pollMs: 10,
    onChange: (value) => seen.push(value),
  });
  const { version } = file;
  expect(version).toMatch(/^[0-9a-f]{12}$/);
  await writeFile(join(folder, 'next'), '{"a":22}');
  await rename(join(folder, 'next'), path);
  await vi.waitFor(() => expect(file?.current).toEqual({ a: 22 }), { timeout: 10_000 });
  expect(file.version).not.toBe(version);
  expect(seen).toEqual([{ a: 22 }]);
});

test('a broken edit keeps the last good value, is logged once, and mends', async () => {
  file = await openLiveFile({ path, parse, log, pollMs: 3_600_000 });
  const { version } = file;
  await writeFile(path, '{"a":');
  expect(await file.reload()).toBe(false);
  expect(await file.reload()).toBe(false);
  expect(file.current).toEqual({ a: 1 });
  expect(file.version).toBe(version);
  expect(file.lastError?.message).toContain('JSON');
  expect(logged.filter((line) => line.includes('broken'))).toHaveLength(1);

  await rm(path);
  expect(await file.reload()).toBe(false);
  expect(file.lastError?.message).toContain('ENOENT');

  await writeFile(path, '{"a":3}');
  expect(await file.reload()).toBe(true);
  expect(file.lastError).toBeUndefined();
  expect(file.current).toEqual({ a: 3 });
});

test('touching the file without a change changes nothing', async () => {
  file = await openLiveFile({ path, parse, log, pollMs: 3_600_000 });
  await writeFile(path, '{"a":1}');
  expect(await file.reload()).toBe(false);
});

test('a slow reading of an older text never wins over a newer one', async () => {
  const slow = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  file = await openLiveFile({
    path,
    log,
    pollMs: 3_600_000,
    parse: async (text) => {
      if (text.includes('2')) {
        begun.resolve();
        await slow.promise;
      }
      return parse(text);
    },
  });
  await writeFile(path, '{"a":2}');
  const older = file.reload();
  await begun.promise;
  await writeFile(path, '{"a":3}');
  const newer = file.reload();
  setImmediate(slow.resolve);
  await Promise.all([older, newer]);
  expect(file.current).toEqual({ a: 3 });
});

test('nothing changes after stop', async () => {
  const onChange = vi.fn();
  file = await openLiveFile({ path, parse, log, pollMs: 3_600_000, onChange });
  await writeFile(path, '{"a":2}');
  const reloading = file.reload();
  file.stop();
  expect(await reloading).toBe(false);
  expect(onChange).not.toHaveBeenCalled();
});

test('a file that is broken or missing at the start is an error', async () => {
  await writeFile(path, 'no');
  await expect(openLiveFile({ path, parse, log })).rejects.toThrow('JSON');
  await expect(openLiveFile({ path: join(folder, 'none'), parse, log })).rejects.toThrow('ENOENT');
});
