import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createScene } from './support/audit.ts';

interface Facts {
  readonly worker: { readonly journal: { readonly events: number } };
  readonly pipeline: { readonly ingested: number; readonly published: number };
}

test('the disk takes no more: reading pauses, publishing goes on, and reading resumes by itself', async (context) => {
  const scene = await createScene(context, { SANDBOX_MALFORMED_SHARE: '0' });
  const service = await scene.start();
  await service.until('/readyz');
  const facts = async () => (await (await fetch(`${service.url}/status`)).json()) as Facts;
  // The kernel refuses to write beyond this size, as a full disk would; the process goes on.
  const limitFiles = (bytes: string) =>
    execFileSync('prlimit', ['--pid', String(service.pid), `--fsize=${bytes}:unlimited`]);

  await scene.setTraffic(300);
  await sleep(1000);
  limitFiles('16384');
  await scene.faultBegins();
  await service.until('/readyz', 503);
  await sleep(500);
  const stuck = await facts();
  await sleep(2000);
  const later = await facts();
  expect(later.pipeline.ingested).toBe(stuck.pipeline.ingested);
  expect(later.pipeline.published).toBe(later.pipeline.ingested);

  limitFiles('unlimited');
  await scene.faultEnds();
  await service.until('/readyz');
  await expect
    .poll(async () => (await facts()).pipeline.ingested, { timeout: 20_000 })
    .toBeGreaterThan(later.pipeline.ingested + 100);
  await scene.setTraffic(0);
  await scene.settled(service);
  expect(await service.stop()).toBe(0);
  scene.noteTaken();
  const audit = await scene.audit('disk full');
  expect(audit.lost).toEqual([]);
});

test('a journal that cannot be written at the start: one clear sentence, and no start', async (context) => {
  const scene = await createScene(context);
  const child = spawn(process.execPath, ['src/main.ts'], {
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: '0',
      ...scene.sandbox.environment,
      JOURNAL_PATH: '/proc/read-only/journal.db',
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number];
  expect(code).toBe(78);
  expect(text).toContain('JOURNAL_PATH: /proc/read-only/journal.db cannot be opened for writing');
});
