// Nobody reads the log, or nobody is there any more: the service goes on, and ends in time; who
// reads late sees what there was room for, and why it ended.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest';
import { openRaw } from './http/support/raw-http.ts';
import { until } from './support/app.ts';
import {
  type SandboxProcess,
  type ServiceProcess,
  startProcess,
  startSandboxProcess,
} from './support/processes.ts';

/** Their lines are half a megabyte: more than a pipe or a socket takes. */
const REQUESTS = 900;

let sandbox: SandboxProcess;
beforeAll(async () => {
  sandbox = await startSandboxProcess({ SANDBOX_RATE: '20' });
});
afterAll(() => sandbox.stop());

async function startService(settings: Record<string, string> = {}): Promise<ServiceProcess> {
  const service = await startProcess(
    {
      ...sandbox.environment,
      WORKER_ENABLED: 'false',
      HTTP_RATE_LIMIT_PER_MINUTE: '0',
      ...settings,
    },
    { waitFor: '/readyz' },
  );
  onTestFinished(async () => void (await service.stop('SIGKILL')));
  return service;
}

/** A line of the log for each request. */
async function talk(url: string, requests = REQUESTS): Promise<void> {
  for (let i = 0; i < requests; i += 100) {
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        const headers = { 'x-request-id': `request-${i + n}`.padEnd(128, '-') };
        await (await fetch(`${url}/map`, { method: 'POST', headers })).text();
      }),
    );
  }
}

const requestsIn = ({ log }: ServiceProcess) =>
  new Set(log.map(({ requestId }) => String(requestId)).filter((id) => id.startsWith('request-')))
    .size;

test('while nobody reads it answers; who reads again sees everything', async () => {
  const service = await startService();
  service.child.stdout?.pause();
  await talk(service.url);
  expect(requestsIn(service)).toBeLessThan(REQUESTS);
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  expect(metrics).toContain('bridge_log_lines_dropped_total 0\n');
  service.child.stdout?.resume();
  await until(() => requestsIn(service) === REQUESTS, 'all lines');
  const times = service.log.map(({ time }) => String(time));
  expect(times).toEqual(times.toSorted());
});

test('a stop writes what waits, for whoever reads it now', async () => {
  const service = await startService();
  service.child.stdout?.pause();
  await talk(service.url);
  const closed = once(service.child.stdout ?? service.child, 'close');
  const code = service.stop();
  service.child.stdout?.resume();
  expect(await code).toBe(0);
  await closed;
  expect(requestsIn(service)).toBe(REQUESTS);
  expect(service.log.at(-1)).toMatchObject({ msg: 'Stopped' });
});

test('a stop waits for no reader who does not read', async () => {
  // A stop that takes longer ends with 1.
  const service = await startService({ SHUTDOWN_TIMEOUT_MS: '5000' });
  service.child.stdout?.pause();
  await talk(service.url);
  expect(await service.stop()).toBe(0);
});

test('a reader that goes away is no reason to end, and the next one gets what waits for it', async () => {
  const { child, url, reader, openReader } = await startOnNamedPipe();
  closeSync(reader);
  await talk(url, 100);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const second = openReader();
  onTestFinished(() => closeSync(second));
  await readUntil(second, /"droppedLines":\d+[^]*"requestId":"request-/);
  child.kill('SIGTERM');
  await readUntil(second, /"Stopped"\}\n$/);
});

test('why it ended is seen by a reader who is too slow for the rest', async () => {
  const { child, url, reader } = await startOnNamedPipe();
  onTestFinished(() => closeSync(reader));
  await talk(url);
  // It would wait for this one.
  using caller = await openRaw(Number(new URL(url).port));
  caller.socket.write(
    'POST /map?orgId=acme HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nContent-Type: application/x-ndjson\r\n\r\n1\r\n\n\r\n',
  );
  const exit = once(child, 'exit');
  const killing = setInterval(() => child.kill('SIGTERM'), 100);
  let text = '';
  const sipping = setInterval(() => {
    text += read(reader, 4096);
  }, 50);
  const [code] = (await exit) as [number];
  clearInterval(killing);
  clearInterval(sipping);
  for (let rest = read(reader, 65_536); rest !== ''; rest = read(reader, 65_536)) text += rest;
  expect(code).toBe(1);
  expect(text).toMatch(/"level":"fatal".*"Second SIGTERM: not waiting any longer"/);
  expect(text).not.toContain(`request-${REQUESTS - 1}-`);
});

test('a log whose disk is full is no reason to end', async () => {
  const port = await freePort();
  const full = openSync('/dev/full', 'w');
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: { ...environment(), PORT: String(port) },
    stdio: ['ignore', full, 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  closeSync(full);
  const url = `http://127.0.0.1:${port}`;
  await until(async () => (await fetch(`${url}/livez`).catch(() => undefined))?.ok === true, url);
  await talk(url, 100);
  expect((await fetch(`${url}/livez`)).status).toBe(200);
  const exit = once(child, 'exit');
  child.kill('SIGTERM');
  expect(await exit).toEqual([0, null]);
});

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

function environment(): Record<string, string | undefined> {
  return {
    PATH: process.env['PATH'],
    ...sandbox.environment,
    HOST: '127.0.0.1',
    PORT: '0',
    WORKER_ENABLED: 'false',
    FINGERPRINT_PATH: ':memory:',
  };
}

/** A service whose log goes to a pipe that others may open, too. */
async function startOnNamedPipe() {
  const folder = mkdtempSync(join(tmpdir(), 'unread-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'pipe');
  execFileSync('mkfifo', [path]);
  const openReader = () => openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const reader = openReader();
  const writer = openSync(path, 'w');
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: environment(),
    stdio: ['ignore', writer, 'inherit'],
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  closeSync(writer);
  const [, port] = await readUntil(reader, /"port":(\d+).*"Listening"/);
  return { child, url: `http://127.0.0.1:${port}`, reader, openReader };
}

/** What is there now, `bytes` of it at most. */
function read(pipe: number, bytes: number): string {
  const buffer = Buffer.alloc(bytes);
  try {
    return buffer.toString('latin1', 0, readSync(pipe, buffer));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
    return '';
  }
}

/** Reads until what came matches. */
async function readUntil(pipe: number, pattern: RegExp): Promise<RegExpExecArray> {
  let text = '';
  let match: RegExpExecArray | null = null;
  await until(() => {
    text += read(pipe, 65_536);
    match = pattern.exec(text);
    return match !== null;
  }, String(pattern));
  if (match === null) throw new Error('unreachable');
  return match;
}
