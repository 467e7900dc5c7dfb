// A start that cannot work: one sentence that names the setting, and the exit code that tells a
// supervisor not to try again.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';

async function start(environment: Record<string, string>) {
  const child = spawn(process.execPath, ['src/start.mjs'], {
    env: { PATH: process.env['PATH'], HOST: '127.0.0.1', PORT: '0', ...environment },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [errors] = await Promise.all([text(child.stderr), once(child, 'exit')]);
  return { code: child.exitCode, errors };
}

async function portInUse(): Promise<string> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('No port');
  return String(address.port);
}

test.each<readonly [string, () => Promise<Record<string, string>>, RegExp]>([
  ['a port in use', async () => ({ PORT: await portInUse() }), /PORT: found \d+, which another/],
  ['a foreign address', async () => ({ HOST: '192.0.2.1' }), /HOST: found 192\.0\.2\.1, which is/],
  ['a host without address', async () => ({ HOST: 'nowhere.invalid' }), /HOST: found nowhere/],
  ['no temporary folder', async () => ({ TMPDIR: '/nonexistent' }), /TMPDIR: no folder can be/],
])('%s', async (_name, environment, sentence) => {
  const { code, errors } = await start(await environment());
  expect(code).toBe(78);
  expect(errors).toMatch(sentence);
  expect(errors).not.toMatch(/\n\s+at /);
});
