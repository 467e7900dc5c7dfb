import { spawn } from 'node:child_process';
import { once } from 'node:events';
import dotenv from 'dotenv';
import { describe, expect, onTestFinished, test } from 'vitest';
import { banner } from '../../src/sandbox/banner.ts';
import { startSandbox } from '../../src/sandbox/sandbox.ts';
import { loadConfig } from '../../src/settings/load-config.ts';
import { BATCH, createCaller, readStream, sandboxWith, send, subscribe, until } from './caller.ts';

describe('a sandbox', () => {
  test('has an environment that is a complete configuration', async () => {
    const { environment, url } = await sandboxWith();
    const config = loadConfig(environment);
    expect(config).toMatchObject({ GENESYS_BASE_URL: url, AWS_ENDPOINT_URL: url });
    expect(config.DLQ_QUEUE_URL).toContain(url);
  });

  test('shares nothing with another one in the same process', async () => {
    const [one, other] = [await sandboxWith(), await sandboxWith()];
    const caller = await createCaller(one);
    await caller.post(BATCH, { entities: [{ id: 'T1' }], partialUpdate: true });
    one.faults.add({ target: '*', status: 500 });

    expect(other.url).not.toBe(one.url);
    expect(other.records.stored.size).toBe(0);
    await createCaller(other);
    expect(other.requests.count('genesys.token', 200)).toBe(1);
    expect(other.environment['GENESYS_CLIENT_SECRET']).not.toBe(
      one.environment['GENESYS_CLIENT_SECRET'],
    );
  });

  test('stops at once, open streams and hanging calls included', async () => {
    const sandbox = await startSandbox({ traffic: 100 });
    await subscribe(sandbox);
    const reader = await readStream(sandbox);
    sandbox.faults.add({ target: 'genesys.groups', hang: true });
    sandbox.faults.add({ target: 'genesys.permissions', latencyMs: 600_000 });
    const caller = await createCaller(sandbox);
    const open = Promise.allSettled([
      caller.get('/api/v2/groups/acme'),
      caller.get('/api/v2/accesscontrol/roles/effectivepermissions'),
    ]);
    await until(() => sandbox.requests.count('genesys.groups', 'hang') === 1);
    await until(() => sandbox.requests.maxInFlight('genesys.permissions') === 1);

    await sandbox.stop();

    expect((await open).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    await until(() => reader.ended() === 'broken');
    await expect(send(`${sandbox.url}/_sandbox`)).rejects.toThrow();
  });

  test('says that its port is taken', async () => {
    const { url } = await sandboxWith();
    await expect(startSandbox({ port: Number(new URL(url).port) })).rejects.toThrow('EADDRINUSE');
  });

  test('refuses a body without end and goes on', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    const huge = 'x'.repeat(17 * 1024 * 1024);
    // The connection is closed under the sender, who may or may not see the answer.
    const answer = await caller.post(BATCH, huge).catch(() => undefined);
    expect([undefined, 413]).toContain(answer?.status);
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(200);
  });
});

describe('the sandbox as a process', () => {
  function run(environment: Record<string, string>) {
    const child = spawn(process.execPath, ['src/sandbox/main.ts'], {
      env: { PATH: process.env['PATH'], ...environment },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    onTestFinished(() => void child.kill('SIGKILL'));
    const output = { text: '', errors: '' };
    child.stdout.on('data', (chunk: Buffer) => (output.text += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => (output.errors += chunk.toString()));
    return { child, output };
  }

  test('prints its settings, serves, and goes when its parent does', async () => {
    const { child, output } = run({ SANDBOX_EXIT_WITH_PARENT: '1', SANDBOX_CONVERSATIONS: '90' });
    await until(() => output.text.includes('# ready'));

    const settings = dotenv.parse(output.text);
    const config = loadConfig(settings);
    const counted = await send(`${config.GENESYS_BASE_URL}/_sandbox/conversations/count`);
    child.stdin.end();

    expect(counted.body).toEqual({ days: 30, count: 90 });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  test('stops on SIGTERM', async () => {
    const { child, output } = run({});
    await until(() => output.text.includes('# ready'));
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(0);
  });

  test('goes when npm does, which hands no signal on', async () => {
    const shell = spawn('sh', ['-c', `"${process.execPath}" src/sandbox/main.ts; true`], {
      env: { PATH: process.env['PATH'], npm_lifecycle_event: 'sandbox' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    shell.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes('# ready')) shell.kill('SIGTERM');
    });
    // Its output is closed: the sandbox is gone, too.
    await once(shell.stdout, 'close');
    expect(text).toContain('# ready');
  });

  test('refuses what is no number', async () => {
    const { child, output } = run({ SANDBOX_RATE: 'fast' });
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(78);
    expect(output.errors).toContain('SANDBOX_RATE: found fast');
  });
});

test('the banner names both addresses and three things to try', () => {
  const text = banner({ servicePort: 3000, sandboxUrl: 'http://127.0.0.1:4000' });
  for (const part of ['/map', '/report', '/simulate', '/status', '4000/_sandbox', 'Ctrl-C']) {
    expect(text).toContain(part);
  }
});
