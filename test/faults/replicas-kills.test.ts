import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CRASH_WINDOW, createReplicas, type Replicas } from './support/replicas.ts';

/** Events a second, kills and events; larger ones take minutes on two cores. */
const RATE = Number(process.env['REPLICAS_RATE'] ?? 300);
const KILLS = Number(process.env['REPLICAS_KILLS'] ?? 6);
const EVENTS = Number(process.env['REPLICAS_EVENTS'] ?? 10_000);

const ALL = ['reader-0', 'reader-1', 'publisher-0', 'publisher-1', 'publisher-2'];

/** What only a dead reader had, the other one must have handed over: both at once may not die. */
async function untilOthersRead(replicas: Replicas, victim: string): Promise<void> {
  for (const [name] of replicas.of('reader')) {
    if (name === victim) continue;
    await expect
      .poll(async () => (await replicas.lagMs(name)) + (await replicas.spilled(name)), {
        timeout: 60_000,
      })
      .toBeLessThan(500);
  }
}

test(`2 readers and 3 publishers, ${KILLS} × kill -9 of a random one and its disk: nothing is lost`, async (context) => {
  const replicas = await createReplicas(context);
  const { scene } = replicas;
  await replicas.start(...ALL);
  await scene.setTraffic(RATE);
  await scene.faultBegins();
  let publishersKilled = 0;
  for (let kill = 0; kill < KILLS; kill += 1) {
    await sleep(100 + Math.random() * 400);
    const victim = ALL[Math.floor(Math.random() * ALL.length)] ?? '';
    if (victim.startsWith('reader')) await untilOthersRead(replicas, victim);
    else publishersKilled += 1;
    await replicas.kill(victim);
    await replicas.start(victim);
  }
  await scene.setTraffic(0);
  await scene.faultEnds();
  await replicas.settled();
  await scene.noteSent();
  const explained = await replicas.explained();

  const audit = await scene.audit(
    `2 readers, 3 publishers at ${RATE}/s: ${KILLS} × kill -9 and its disk (${publishersKilled} of publishers)`,
  );
  expect(audit.sent).toBeGreaterThan(KILLS * 50);
  expect(audit.lost).toEqual([]);
  expect(audit.invented).toBe(0);
  expect(audit.duplicates).toBeLessThanOrEqual(publishersKilled * CRASH_WINDOW + explained);
});

test(`two readers read all of ${EVENTS} events: each is published once`, async (context) => {
  const replicas = await createReplicas(context, { sandbox: { SANDBOX_MALFORMED_SHARE: '0' } });
  const { scene } = replicas;
  await replicas.start('reader-0', 'reader-1', 'publisher-0');
  await scene.faultBegins();
  await scene.setTraffic(4 * RATE);
  await expect
    .poll(
      async () => {
        const { sent } = await scene.sandbox.control.get<{ sent: { matching: number } }>('/stream');
        return sent.matching;
      },
      { timeout: 240_000, interval: 500 },
    )
    // Each of them is sent to both.
    .toBeGreaterThan(2 * EVENTS);
  await scene.setTraffic(0);
  await scene.faultEnds();
  await replicas.settled();
  await scene.noteSent();

  const audit = await scene.audit(`2 readers read all of ${EVENTS} events`);
  expect(audit.sent).toBeGreaterThanOrEqual(EVENTS);
  expect(audit.lost).toEqual([]);
  expect(audit.published).toBe(audit.sent);
  expect(audit.duplicates).toBe(0);
});
