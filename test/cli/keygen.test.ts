import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { createApiKeys } from '../../src/http/auth/api-keys.ts';

const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, ['src/cli/keygen.ts', ...args], {
    cwd: new URL('../..', import.meta.url).pathname,
  });

test('prints a key once, and an entry with which the service knows it', async () => {
  const { stdout } = await run('--name', 'crm', '--roles', 'map,simulate');
  const key = /^ib_[\w-]{43}$/m.exec(stdout)?.[0] ?? '';
  const entry = /^crm:.*$/m.exec(stdout)?.[0] ?? '';
  expect(entry).not.toContain(key);
  expect(createApiKeys(entry).find(key)).toEqual({
    name: 'crm',
    roles: new Set(['map', 'simulate']),
  });
  expect(createApiKeys(entry).find(`${key}x`)).toBeUndefined();
});

test.each([
  [[], '--name'],
  [['--name', 'crm'], '--roles'],
  [['--name', 'a:b', '--roles', 'map'], '--name'],
  [['--name', 'crm', '--roles', 'map,root'], '"root"'],
  [['--nmae', 'crm'], '--nmae'],
])('%j is refused with what is allowed', async (args, mentioned) => {
  await expect(run(...args)).rejects.toMatchObject({
    code: 2,
    stderr: expect.stringContaining(mentioned) as string,
  });
});
