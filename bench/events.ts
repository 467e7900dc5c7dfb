// Events from the stream to accepted PutEvents, by the service with its journal on, against a bare
// loop of the SDK, the same loop over the service's own connection, and a naive pipeline. The
// sandbox is a process of its own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import {
  memoryBytes,
  type SandboxProcess,
  type ServiceProcess,
  startProcess,
  startSandboxProcess,
} from '../test/support/processes.ts';
import { histogram, quantileMs } from './histogram.ts';
import { profileArguments } from './profile.ts';
import { type BenchResult, ratioOf } from './result.ts';

/** In milliseconds: before a measurement, one measurement, and the one at a steady rate. */
const SIZES = {
  full: { rounds: 3, warmUpMs: 2500, measureMs: 4000, steadyMs: 10_000 },
  quick: { rounds: 1, warmUpMs: 500, measureMs: 1000, steadyMs: 5000 },
};
const STEADY_RATE = 200;
const METRICS_INTERVAL_MS = 5000;

export async function run(quick: boolean): Promise<BenchResult> {
  const { rounds, warmUpMs, measureMs, steadyMs } = SIZES[quick ? 'quick' : 'full'];
  const sandbox = await startSource({ otherShare: 0 });
  const mixed = await startSource({ otherShare: 0.5 });
  const ours: number[] = [];
  const oursOfMixed: number[] = [];
  const bare: number[] = [];
  const connected: number[] = [];
  const naive: number[] = [];
  const residentMiB: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      const fullSpeed = async (source: SandboxProcess) => {
        const service = await startService(source);
        const perSecond = await rate(() => publishedBy(source), warmUpMs, measureMs);
        residentMiB.push(memoryBytes(service.pid, 'VmRSS') / 1_048_576);
        await service.stop();
        return perSecond;
      };
      ours.push(await fullSpeed(sandbox));
      oursOfMixed.push(await fullSpeed(mixed));
      bare.push(await reference('bare', sandbox, warmUpMs, measureMs));
      connected.push(await reference('connected', sandbox, warmUpMs, measureMs));
      naive.push(await reference('naive', sandbox, warmUpMs, measureMs));
    }

    await sandbox.control.post('/traffic', { perSecond: 0 });
    const service = await startService(sandbox);
    const steady = await steadyState(sandbox, service, steadyMs);
    await service.stop();
    return {
      bench: 'events',
      rows: [
        {
          name: '(a) stream to bus, journal on',
          unit: 'events/s',
          values: ours,
          ratio: { to: '(b) bare SDK loop', value: ratioOf(ours, bare), goal: 'at least 0.7' },
        },
        {
          name: '(a) of a stream of which half matches',
          unit: 'events/s',
          values: oursOfMixed,
          ratio: { to: '(b) bare SDK loop', value: ratioOf(oursOfMixed, bare) },
        },
        { name: '(b) bare SDK loop, full batches', unit: 'events/s', values: bare },
        {
          name: "(b') the same over the service's connection",
          unit: 'events/s',
          values: connected,
          ratio: { to: 'as fast is (a)', value: ratioOf(ours, connected) },
        },
        {
          name: '(c) naive pipeline',
          unit: 'events/s',
          values: naive,
          ratio: { to: 'as fast is (a)', value: ratioOf(ours, naive), goal: 'at least 10' },
        },
        { name: 'memory at full speed (resident)', unit: 'MiB', values: residentMiB },
        {
          name: `p99 from taken to accepted at ${STEADY_RATE} events/s, at most`,
          unit: 'ms',
          values: [steady.p99Ms],
          goal: 'under 100 ms',
        },
        {
          name: 'PutMetricData calls per interval',
          unit: 'calls',
          values: [steady.metricCallsPerInterval],
          goal: 'at most 2',
        },
      ],
      notes: [
        `${rounds} rounds, interleaved; ${warmUpMs / 1000} s warm-up, ${measureMs / 1000} s measured; 8 calls at once in (a), (b) and (b')`,
        "(b) is the SDK as it comes; the service sends past its middleware, and so does (b'): against it (a) shows what the pipeline itself costs",
        'in (a) every streamed event matches the filter, as every entry of (b) is one to publish',
        `metrics interval ${METRICS_INTERVAL_MS / 1000} s here, 60 s by default`,
      ],
    };
  } finally {
    await Promise.all([sandbox.stop(), mixed.stop()]);
  }
}

/** Streams as fast as it is read; `otherShare` of the events do not match the filter. */
function startSource({ otherShare }: { otherShare: number }): Promise<SandboxProcess> {
  return startSandboxProcess({
    SANDBOX_RATE: 'max',
    SANDBOX_MALFORMED_SHARE: '0',
    SANDBOX_OTHER_SHARE: String(otherShare),
    SANDBOX_KEEP_EVENTS: '1000',
  });
}

async function startService(sandbox: SandboxProcess): Promise<ServiceProcess> {
  const service = await startProcess(
    {
      ...sandbox.environment,
      LOG_LEVEL: 'info',
      METRICS_INTERVAL_MS: String(METRICS_INTERVAL_MS),
    },
    { nodeArguments: profileArguments },
  );
  await service.until('/readyz');
  return service;
}

/** Events per second over the measured time. */
async function rate(
  read: () => Promise<number>,
  warmUpMs: number,
  measureMs: number,
): Promise<number> {
  await sleep(warmUpMs);
  const before = await read();
  const startedMs = performance.now();
  await sleep(measureMs);
  const after = await read();
  return ((after - before) * 1000) / (performance.now() - startedMs);
}

async function publishedBy(sandbox: SandboxProcess): Promise<number> {
  const { count } = await sandbox.control.get<{ count: number }>('/events?limit=1');
  return count;
}

async function reference(
  mode: 'bare' | 'connected' | 'naive',
  sandbox: SandboxProcess,
  warmUpMs: number,
  measureMs: number,
): Promise<number> {
  const child = spawn(process.execPath, ['bench/events-reference.ts', mode], {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    env: { PATH: process.env['PATH'], ...sandbox.environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(child, 'exit');
  try {
    const ended = exited.then(() => Promise.reject(new Error(`The ${mode} reference ended`)));
    await Promise.race([once(child.stdout, 'data'), ended]);
    child.stdout.resume();
    return await rate(() => publishedBy(sandbox), warmUpMs, measureMs);
  } finally {
    child.kill('SIGKILL');
    await exited;
  }
}

/** A steady, moderate rate: how long an event takes, and what the metrics cost. */
async function steadyState(sandbox: SandboxProcess, service: ServiceProcess, ms: number) {
  await sandbox.control.post('/traffic', { perSecond: STEADY_RATE });
  await sleep(3000);
  const before = await histogram(service);
  const callsBefore = await metricCalls(sandbox);
  await sleep(ms);
  const after = await histogram(service);
  const calls = (await metricCalls(sandbox)) - callsBefore;
  return {
    p99Ms: quantileMs(before, after, 0.99),
    metricCallsPerInterval: calls / (ms / METRICS_INTERVAL_MS),
  };
}

async function metricCalls(sandbox: SandboxProcess): Promise<number> {
  const { counts } = await sandbox.control.get<{
    counts: Record<string, Record<string, number>>;
  }>('/requests?limit=1');
  const byStatus = Object.values(counts['aws.cloudwatch.PutMetricData'] ?? {});
  return byStatus.reduce((sum, calls) => sum + calls, 0);
}
