// Time from spawn to the first 200 of /livez, and memory at rest, of the service as `npm start` runs
// it (type stripping) and as the image does (compiled), against a sandbox of another process.
import { execFileSync, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { memoryBytes, startProcess, startSandboxProcess } from '../test/support/processes.ts';
import { type BenchResult, ratioOf } from './result.ts';

export const REST_MS = 8000;

const FORMS = [
  { name: 'from source, as `npm start`', main: 'src/start.mjs' },
  { name: 'compiled, as the image', main: 'dist/main.js' },
];

export async function run(quick: boolean): Promise<BenchResult> {
  const rounds = quick ? 1 : 4;
  execFileSync('npm', ['run', '--silent', 'build'], { stdio: 'inherit' });
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '0' });
  const measured = FORMS.map(({ name, main }) => {
    const startMs: number[] = [];
    const restMiB: number[] = [];
    return { name, main, startMs, restMiB };
  });
  const bareMs: number[] = [];
  try {
    for (let round = 0; round < rounds; round += 1) {
      bareMs.push(await bareExpressMs());
      for (const { main, startMs, restMiB } of measured) {
        const startedMs = performance.now();
        const service = await startProcess(sandbox.environment, { waitFor: '/livez', main });
        startMs.push(performance.now() - startedMs);
        await service.until('/readyz');
        await sleep(REST_MS);
        restMiB.push(memoryBytes(service.pid, 'VmRSS') / 1_048_576);
        await service.stop();
      }
    }
  } finally {
    await sandbox.stop();
  }
  return {
    bench: 'start',
    rows: [
      ...measured.flatMap(({ name, startMs, restMiB }) => [
        {
          name: `spawn to first 200 of /livez, ${name}`,
          unit: 'ms',
          values: startMs,
          ratio: { to: 'bare express', value: ratioOf(startMs, bareMs), goal: 'under 1,000 ms' },
        },
        {
          name: `memory at rest (resident), ${name}`,
          unit: 'MiB',
          values: restMiB,
          goal: 'at most 180',
        },
      ]),
      { name: 'reference: a bare express app', unit: 'ms', values: bareMs },
    ],
    notes: [
      `${rounds} rounds, interleaved; memory ${REST_MS / 1000} s after ready, worker on, no traffic`,
      'all but the first start of a new version find the compile cache of the one before',
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
