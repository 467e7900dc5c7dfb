import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createScene } from './support/audit.ts';

const KILLS = 20;

test(`kill -9 at ${KILLS} random moments under load: nothing that was taken is lost`, async (context) => {
  const scene = await createScene(context);
  await scene.setTraffic(1500);
  await scene.faultBegins();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const service = await scene.start();
    await service.until('/readyz');
    await sleep(100 + Math.random() * 900);
    await service.stop('SIGKILL');
    scene.noteTaken();
  }
  await scene.setTraffic(0);
  await scene.faultEnds();
  const last = await scene.start();
  await last.until('/readyz');
  await scene.settled(last);
  expect(await last.stop()).toBe(0);
  scene.noteTaken();

  const audit = await scene.audit(`${KILLS} × kill -9`);
  expect(audit.taken).toBeGreaterThan(KILLS * 100);
  expect(audit.lost).toEqual([]);
  expect(audit.invented).toBe(0);
});

test('SIGTERM under full load: exit 0 within its bound, and the rest after the next start', async (context) => {
  const scene = await createScene(context);
  await scene.setTraffic('max');
  await scene.faultBegins();
  for (let stop = 0; stop < 3; stop += 1) {
    const service = await scene.start({ SHUTDOWN_TIMEOUT_MS: '10000' });
    await service.until('/readyz');
    await sleep(2000);
    const startedMs = Date.now();
    expect(await service.stop('SIGTERM')).toBe(0);
    expect(Date.now() - startedMs).toBeLessThan(12_000);
    scene.noteTaken();
  }
  await scene.setTraffic(0);
  await scene.faultEnds();
  const last = await scene.start();
  await last.until('/readyz');
  await scene.settled(last);
  await last.stop();
  scene.noteTaken();

  const audit = await scene.audit('3 × SIGTERM under full load');
  expect(audit.taken).toBeGreaterThan(1000);
  expect(audit.lost).toEqual([]);
  expect(audit.duplicates).toBe(0);
});
