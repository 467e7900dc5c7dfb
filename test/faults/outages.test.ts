import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { FaultRule } from '../../src/sandbox/faults.ts';
import { createScene, type Scene } from './support/audit.ts';

async function loadFor(scene: Scene, ms: number, rate: number, fault: FaultRule) {
  const service = await scene.start();
  await service.until('/readyz');
  await scene.setTraffic(rate);
  await sleep(1000);
  await scene.faultBegins(fault);
  await sleep(ms);
  return service;
}

async function finish(scene: Scene, service: Awaited<ReturnType<Scene['start']>>, title: string) {
  await scene.faultEnds();
  await scene.setTraffic(0);
  await scene.settled(service);
  expect(await service.stop()).toBe(0);
  scene.noteTaken();
  return scene.audit(title);
}

test.concurrent('the bus answers 500 for 30 s: no event is lost, none becomes a dead letter', async (context) => {
  const scene = await createScene(context, { SANDBOX_MALFORMED_SHARE: '0' });
  const service = await loadFor(scene, 25_000, 500, { target: 'aws.events', status: 500 });
  const { counts } = await scene.sandbox.control.get<{
    counts: Record<string, Record<string, number>>;
  }>('/requests?limit=1');
  expect(counts['aws.events.PutEvents']?.['500']).toBeLessThan(100);
  expect((await service.until('/readyz', 503)).status).toBe(503);
  await sleep(5000);

  const audit = await finish(scene, service, 'bus 500 for 30 s');
  expect(audit.taken).toBeGreaterThan(5000);
  expect(audit.lost).toEqual([]);
  expect(audit.deadLettered).toBe(0);
});

test.concurrent('half of all calls are throttled', async (context) => {
  const scene = await createScene(context, { SANDBOX_MALFORMED_SHARE: '0' });
  const throttling = {
    target: 'aws.events.PutEvents',
    status: 400,
    code: 'ThrottlingException',
    rate: 0.5,
  };
  const service = await loadFor(scene, 15_000, 500, throttling);
  const audit = await finish(scene, service, 'throttling at 50 %');
  expect(audit.taken).toBeGreaterThan(1000);
  expect(audit.lost).toEqual([]);
  expect(audit.deadLettered).toBe(0);
});

test.concurrent('a fifth of the entries is refused for the moment', async (context) => {
  const scene = await createScene(context, { SANDBOX_MALFORMED_SHARE: '0' });
  const failures = {
    target: 'aws.events.PutEvents',
    entryFailures: { rate: 0.2, code: 'InternalFailure' },
  };
  const service = await loadFor(scene, 15_000, 500, failures);
  const audit = await finish(scene, service, 'per-entry failures at 20 %');
  expect(audit.lost).toEqual([]);
  // 0.2^6 of the events use up all their retries: they are dead letters, not lost.
  expect(audit.deadLettered).toBeLessThan(audit.taken / 1000);
});

test.concurrent('the queue is away while events are rejected: the letters come when it is back', async (context) => {
  const scene = await createScene(context, { SANDBOX_MALFORMED_SHARE: '0.3' });
  const service = await loadFor(scene, 10_000, 500, { target: 'aws.sqs', status: 503 });
  const audit = await finish(scene, service, 'SQS away for 10 s');
  expect(audit.lost).toEqual([]);
  expect(audit.deadLettered).toBeGreaterThan(100);
});
