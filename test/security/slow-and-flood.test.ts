// The service as a process of its own, under callers that are too slow and callers that are too
// many. The one speed that is asserted is a promise to operators: /livez stays below 100 ms.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Pool } from 'undici';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRaw, trickle } from '../http/support/raw-http.ts';
import { type ServiceProcess, startProcess, startSandboxProcess } from '../support/processes.ts';

const FLOOD_CONNECTIONS = 200;
const FLOOD_MS = 6000;
const SLOW_CLIENTS = 100;
const SLOW_LIMIT_MS = 3000;

const running: { stop(): Promise<unknown> }[] = [];
let service: ServiceProcess;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'slow-and-flood-'));
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '50' });
  running.push(sandbox);
  service = await startProcess(
    {
      ...sandbox.environment,
      JOURNAL_PATH: join(folder, 'journal.db'),
      FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
      HTTP_RATE_LIMIT_PER_MINUTE: '0',
      HTTP_HEADERS_TIMEOUT_MS: String(SLOW_LIMIT_MS),
      HTTP_BODY_TIMEOUT_MS: String(SLOW_LIMIT_MS),
    },
    { waitFor: '/readyz' },
  );
  running.push(service);
}, 60_000);

afterAll(async () => {
  for (const process of running.toReversed()) await process.stop();
  await rm(folder, { recursive: true });
});

const percentile = (sorted: readonly number[], share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;

function summary(tookMs: readonly number[]) {
  const sorted = tookMs.toSorted((a, b) => a - b);
  const round = (value: number) => Math.round(value * 10) / 10;
  return {
    answers: sorted.length,
    p50Ms: round(percentile(sorted, 0.5)),
    p99Ms: round(percentile(sorted, 0.99)),
    maxMs: round(percentile(sorted, 1)),
  };
}

/** Measures /livez from a process of its own while `run` goes on. */
async function probed<T>(run: () => Promise<T>) {
  const path = new URL('support/probe-livez.ts', import.meta.url);
  const prober = fork(path, [service.url], { execArgv: [] });
  const result = await run();
  const told = once(prober, 'message');
  prober.send('stop');
  const [{ tookMs, statuses }] = (await told) as [{ tookMs: number[]; statuses: number[] }];
  return { result, statuses, livez: summary(tookMs) };
}

async function inFlight(): Promise<number> {
  const metrics = await (await fetch(`${service.url}/metrics`)).text();
  return Number(/^bridge_http_in_flight (\d+)$/m.exec(metrics)?.[1] ?? NaN);
}

const map = (records: number, id: string) =>
  JSON.stringify({
    orgId: 'acme-emea',
    records: Array.from({ length: records }, (_, index) => ({
      ticketId: `${id}-${index}`,
      priority: 'high',
      sourceChannel: 'web',
    })),
  });

test('clients that send one byte a second hold nobody up, and are sent away', async () => {
  const { port } = new URL(service.url);
  const head = 'POST /map HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n';
  const slow = await Promise.all(
    Array.from({ length: SLOW_CLIENTS }, async (_, index) => {
      const connection = await openRaw(Number(port));
      const inBody = index % 2 === 0;
      if (inBody) connection.socket.write(`${head}Content-Length: 5000\r\n\r\n`);
      trickle(connection.socket, inBody ? ' '.repeat(5000) : head.repeat(100), 1000);
      return connection;
    }),
  );
  await expect.poll(inFlight, { timeout: 10_000 }).toBeGreaterThan(SLOW_CLIENTS / 2);
  const others = await probed(async () => {
    const tookMs: number[] = [];
    for (let index = 0; index < 50; index += 1) {
      const startedMs = performance.now();
      const answer = await fetch(`${service.url}/map`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: map(1, `slow-${index}`),
      });
      expect(answer.status).toBe(200);
      await answer.arrayBuffer();
      tookMs.push(performance.now() - startedMs);
    }
    return summary(tookMs);
  });
  const ends = await Promise.all(slow.map(({ closed }) => closed));
  expect(new Set(ends.map((text) => text.slice(0, 12)))).toEqual(new Set(['HTTP/1.1 408']));
  await expect.poll(inFlight).toBe(1);
  process.stdout.write(
    `\nBeside ${SLOW_CLIENTS} clients of 1 byte/s: POST /map ${JSON.stringify(others.result)}, /livez ${JSON.stringify(others.livez)}\n`,
  );
}, 60_000);

test('200 callers that never stop leave /livez responsive, and the service well', async () => {
  const pool = new Pool(service.url, { connections: FLOOD_CONNECTIONS });
  const statuses = new Map<number, number>();
  const bodies = [
    { path: '/map', body: map(100, 'flood') },
    { path: '/map?dryRun=true', body: map(1000, 'flood') },
    { path: '/simulate', body: '{}' },
    { path: '/map', body: '{"orgId":' },
  ];
  const untilMs = performance.now() + FLOOD_MS;
  async function flood(start: number): Promise<void> {
    for (let next = start; performance.now() < untilMs; next += 1) {
      const { path = '/', body = '' } = bodies[next % bodies.length] ?? {};
      const answer = await pool.request({
        method: 'POST',
        path,
        headers: { 'content-type': 'application/json' },
        body,
      });
      await answer.body.dump({ limit: 100_000_000 });
      statuses.set(answer.statusCode, (statuses.get(answer.statusCode) ?? 0) + 1);
      // An obedient client would wait for Retry-After; these do not, but they need their turns.
      await sleep(0);
    }
  }
  const { livez, statuses: probes } = await probed(() =>
    Promise.all(Array.from({ length: FLOOD_CONNECTIONS }, (_, index) => flood(index))),
  );
  await pool.close();
  process.stdout.write(
    `\n${FLOOD_CONNECTIONS} floods for ${FLOOD_MS} ms: ${JSON.stringify([...statuses])}, /livez ${JSON.stringify(livez)}\n`,
  );
  expect(probes).toEqual([200]);
  expect(livez.p50Ms).toBeLessThan(100);
  for (const status of statuses.keys()) expect([200, 400, 503]).toContain(status);

  expect((await fetch(`${service.url}/readyz`)).status).toBe(200);
  await expect.poll(inFlight).toBe(1);
  const after = await fetch(`${service.url}/map`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: map(1, 'after'),
  });
  expect(after.status).toBe(200);
  expect(service.log.filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
}, 60_000);
