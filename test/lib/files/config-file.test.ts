import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { openConfigFile, parseJson, readConfigFile } from '../../../src/lib/files/config-file.ts';
import { createLogger } from '../../../src/lib/logger.ts';

const BYTE_ORDER_MARK = '\uFEFF';
const log = createLogger({ level: 'silent' });

async function fileOf(content: string | Uint8Array) {
  const folder = await mkdtemp(join(tmpdir(), 'config-file-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const path = join(folder, 'rules.json');
  await writeFile(path, content);
  const parse = (text: string) => parseJson(text, 'invalid_rules');
  return { path, setting: 'RULES_FILE', code: 'invalid_rules', parse };
}

async function open<T>(file: Parameters<typeof readConfigFile<T>>[0]) {
  const opened = await openConfigFile({ ...file, log, pollMs: 3_600_000 });
  onTestFinished(() => opened.stop());
  return opened;
}

test.each([
  ['once', readConfigFile],
  ['as a live file', open],
] as const)('what is wrong has the name of the file, read %s', async (_how, read) => {
  const broken = await fileOf('{\n  "a": {,}\n}');
  await expect(read(broken)).rejects.toMatchObject({
    name: 'ConfigError',
    code: 'invalid_rules',
    problems: [expect.stringMatching(/rules\.json: not JSON: .*line 2/)],
  });

  const several = new ConfigError(['a: wrong', 'b: wrong'], { code: 'its_own' });
  const strict = {
    ...broken,
    parse() {
      throw several;
    },
  };
  await expect(read(strict)).rejects.toMatchObject({
    code: 'its_own',
    problems: [`${broken.path}: a: wrong`, `${broken.path}: b: wrong`],
  });
});

test.each([
  ['once', readConfigFile],
  ['as a live file', open],
] as const)('one that cannot be read is a wrong setting, read %s', async (_how, read) => {
  const missing = { ...(await fileOf('')), path: '/no/such/file.json' };
  await expect(read(missing)).rejects.toMatchObject({
    code: 'invalid_configuration',
    problems: [
      expect.stringMatching(
        /^RULES_FILE: \/no\/such\/file\.json cannot be read: there is no such file \(ENOENT\)$/,
      ),
    ],
  });
});

test.each([
  ['UTF-16', Buffer.from(`${BYTE_ORDER_MARK}{"a":1}`, 'utf16le')],
  ['Windows-1252', Buffer.from('{"name":"Müller"}', 'latin1')],
])('%s is refused instead of being read as something else', async (_name, bytes) => {
  await expect(readConfigFile(await fileOf(bytes))).rejects.toThrow(
    /RULES_FILE: .*rules\.json is not UTF-8/,
  );
});

test('a byte order mark changes neither value nor version', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), async (json) => {
      const plain = await open(await fileOf(json));
      const marked = await open(await fileOf(BYTE_ORDER_MARK + json));
      expect(marked.current).toEqual(plain.current);
      expect(marked.version).toBe(plain.version);
    }),
    { numRuns: 20 },
  );
});

test('a broken edit has the name of the file too, and the last good value stays', async () => {
  const file = await fileOf('{"a":1}');
  const opened = await open(file);
  await writeFile(file.path, '{"a":');
  expect(await opened.reload()).toBe(false);
  expect(opened.lastError).toMatchObject({ code: 'invalid_rules' });
  expect(opened.lastError?.message).toContain(`${file.path}: not JSON`);
  expect(opened.current).toEqual({ a: 1 });
});
