import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type SandboxProcess, startProcess, startSandboxProcess } from './support/processes.ts';

let sandbox: SandboxProcess;
beforeAll(async () => {
  sandbox = await startSandboxProcess({ SANDBOX_RATE: '20' });
});
afterAll(() => sandbox.stop());

test.each(['SIGTERM', 'SIGINT', 'SIGHUP'] as const)(
  '%s ends the process with 0',
  async (signal) => {
    const service = await startProcess(
      { ...sandbox.environment, WORKER_ENABLED: 'false' },
      { waitFor: '/readyz' },
    );
    expect(await service.stop(signal)).toBe(0);
    expect(service.log.at(-1)).toMatchObject({ msg: 'Stopped' });
  },
);

test('when npm is stopped, whose shell hands no signal on, the service stops too', async () => {
  // The shell stands for npm's: it dies of the signal and leaves its child alone.
  const shell = spawn('sh', ['-c', `${process.execPath} src/main.ts & wait`], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: {
      PATH: process.env['PATH'],
      ...sandbox.environment,
      WORKER_ENABLED: 'false',
      HOST: '127.0.0.1',
      PORT: '0',
      npm_lifecycle_event: 'start',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const messages: unknown[] = [];
  for await (const line of createInterface({ input: shell.stdout })) {
    const { msg } = JSON.parse(line) as { msg: string };
    messages.push(msg);
    if (msg === 'Listening') shell.kill('SIGTERM');
  }
  // Its output is closed: the process is gone.
  expect(messages.slice(-2)).toEqual(['npm is gone: stopping', 'Stopped']);
});

test.each([[[]], [['--disable-sigusr1']]])(
  'SIGUSR1 opens no debugger: %j',
  async (nodeArguments) => {
    const service = await startProcess(
      { ...sandbox.environment, WORKER_ENABLED: 'false' },
      // Not what `npm start` runs: its flags are those of this test.
      { waitFor: '/livez', nodeArguments, flags: [] },
    );
    process.kill(service.pid, 'SIGUSR1');
    await fetch(`${service.url}/livez`);
    await expect(fetch('http://127.0.0.1:9229/json')).rejects.toThrow('fetch failed');
    expect(await service.stop()).toBe(0);
  },
);

test('npm start and the image run Node without that signal from its first moment on', () => {
  expect(readFileSync('package.json', 'utf8')).toMatch(/"start": "node .*--disable-sigusr1 src/);
  expect(readFileSync('Dockerfile', 'utf8')).toMatch(/^CMD \["node",.* "--disable-sigusr1"/m);
});
