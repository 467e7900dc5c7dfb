// Time from spawn to the first 200 of /livez, and memory at rest, of the service as it is shipped
// (compiled) and as it is developed (type stripping), each against a sandbox of another process.
import { spawn } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { startProcess, startSandboxProcess } from '../test/support/processes.ts';
import { type BenchResult, median } from './result.ts';

const ROUNDS = 5;
const REST_MS = 3000;

export async function run(): Promise<BenchResult> {
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '0' });
  const startMs: number[] = [];
  const bareMs: number[] = [];
  const restMiB: number[] = [];
  try {
    for (let round = 0; round < ROUNDS; round += 1) {
      bareMs.push(await bareExpressMs());
      const startedMs = performance.now();
      const service = await startProcess(sandbox.environment, { waitFor: '/livez' });
      startMs.push(performance.now() - startedMs);
      await service.until('/readyz');
      await sleep(REST_MS);
      restMiB.push((await residentBytes(service.pid)) / 1_048_576);
      await service.stop();
    }
  } finally {
    await sandbox.stop();
  }
  return {
    bench: 'start',
    rows: [
      {
        name: 'spawn to first 200 of /livez',
        unit: 'ms',
        values: startMs,
        ratio: {
          to: 'bare express',
          value: median(startMs) / median(bareMs),
          goal: 'under 1,000 ms',
        },
      },
      { name: 'reference: a bare express app', unit: 'ms', values: bareMs },
      { name: 'memory at rest (resident)', unit: 'MiB', values: restMiB, goal: 'under 130 MB' },
    ],
    notes: [
      `${ROUNDS} rounds, interleaved; memory ${REST_MS / 1000} s after ready, worker on, no traffic`,
    ],
  };
}

async function bareExpressMs(): Promise<number> {
  const code =
    "import express from 'express'; express().get('/livez', (_, a) => a.send('ok')).listen(0, '127.0.0.1', function () { console.log(this.address().port); });";
  const startedMs = performance.now();
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  const [port] = (await child.stdout.take(1).toArray()) as [Buffer];
  await (await fetch(`http://127.0.0.1:${port.toString().trim()}/livez`)).text();
  const elapsedMs = performance.now() - startedMs;
  child.kill();
  await exited;
  return elapsedMs;
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
