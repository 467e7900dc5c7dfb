import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { CRASH_WINDOW, createReplicas, type Replicas } from './support/replicas.ts';

const RATE = 50;
const OUTAGE_MS = 60_000;

/** Samples every 250 ms until the work is done. */
async function during<T>(work: Promise<T>, sample: () => Promise<void>): Promise<T> {
  const done = new AbortController();
  const sampling = (async () => {
    while (!done.signal.aborted) {
      await sample();
      await sleep(250);
    }
  })();
  try {
    return await work;
  } finally {
    done.abort();
    await sampling;
  }
}

/** Whether one of the `api` processes answers `/map`, as the Service before them would ask. */
async function mapAnswers(replicas: Replicas): Promise<boolean> {
  const records = [{ ticketId: 'T1', priority: 'high', sourceChannel: 'web' }];
  for (const [, service] of replicas.of('api')) {
    const answer = await fetch(`${service.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ orgId: 'acme-emea-support', records }),
    }).catch(() => undefined);
    await answer?.text();
    if (answer?.status === 200) return true;
  }
  return false;
}

/** @param crashes of publishers, each of which may have published what it could not delete any more */
async function finish(replicas: Replicas, title: string, crashes = 0) {
  const { scene } = replicas;
  await scene.setTraffic(0);
  await replicas.settled();
  await scene.noteSent();
  const [ended, explained] = [await replicas.holdsEnded(), await replicas.explained()];
  const audit = await scene.audit(`${title} (holds ended: ${ended})`);
  expect(audit.lost).toEqual([]);
  expect(audit.duplicates).toBeLessThanOrEqual(explained + crashes * CRASH_WINDOW);
  return audit;
}

test.concurrent('SQS is away for 60 s, and one reader loses its disk meanwhile: nothing is lost', async (context) => {
  const replicas = await createReplicas(context);
  const { scene } = replicas;
  await replicas.start('reader-0', 'reader-1', 'publisher-0', 'publisher-1');
  await scene.setTraffic(RATE);
  await sleep(2000);

  await scene.faultBegins({ target: 'aws.sqs', status: 503 });
  await sleep(OUTAGE_MS / 2);
  await replicas.kill('reader-0');
  await sleep(OUTAGE_MS / 2);
  const spilled = await replicas.spilled('reader-1');
  await scene.faultEnds();
  await replicas.start('reader-0');

  await finish(replicas, "SQS away for 60 s, a reader's disk lost");
  expect(spilled).toBeGreaterThan((RATE * OUTAGE_MS) / 1000 / 4);
});

test.concurrent('the bus is away for 60 s: /map answers, nobody holds the events, none is lost', async (context) => {
  const replicas = await createReplicas(context, { sandbox: { SANDBOX_MALFORMED_SHARE: '0' } });
  const { scene } = replicas;
  await replicas.start('reader-0', 'publisher-0', 'publisher-1', 'publisher-2', 'api-0');
  await scene.setTraffic(RATE);
  await sleep(2000);

  await scene.faultBegins({ target: 'aws.events', status: 503 });
  let asked = 0;
  let answered = 0;
  await during(sleep(OUTAGE_MS), async () => {
    asked += 1;
    if (await mapAnswers(replicas)) answered += 1;
  });
  const holds = (await replicas.queue.peek()).map(({ Attributes }) =>
    Number(Attributes?.ApproximateReceiveCount),
  );
  await scene.faultEnds();

  const audit = await finish(replicas, 'the bus away for 60 s, 3 publishers');
  expect(answered).toBe(asked);
  expect(holds.length).toBeGreaterThan(0);
  // Each publisher once, before it knows; this look is the last one.
  expect(Math.max(...holds) - 1).toBeLessThanOrEqual(3);
  expect(audit.deadLettered).toBe(0);
});

test.concurrent('holds that end before a slow bus answers: no more duplicates than were counted', async (context) => {
  const replicas = await createReplicas(context, {
    sandbox: { SANDBOX_MALFORMED_SHARE: '0' },
    settings: { BUFFER_HOLD_SECONDS: '2', BUFFER_MAX_HOLDS: '1000' },
  });
  const { scene } = replicas;
  await replicas.start('reader-0', 'publisher-0', 'publisher-1');
  // No hold can be renewed, and every other call takes longer than one lasts.
  await scene.faultBegins({ target: 'aws.sqs.ChangeMessageVisibilityBatch', status: 403 });
  await scene.sandbox.control.post('/faults', {
    target: 'aws.events.PutEvents',
    latencyMs: 3000,
    rate: 0.5,
  });
  await scene.setTraffic(RATE);
  await sleep(20_000);
  await scene.faultEnds();

  const audit = await finish(replicas, 'the bus slower than a hold lasts');
  expect(audit.duplicates).toBeGreaterThan(0);
});

test('every process is replaced under load: a reader is connected and /map answers throughout', async (context) => {
  const replicas = await createReplicas(context, { sandbox: { SANDBOX_MALFORMED_SHARE: '0' } });
  const { scene } = replicas;
  const names = ['reader-0', 'reader-1', 'publisher-0', 'publisher-1', 'api-0', 'api-1'];
  await replicas.start(...names);
  await scene.setTraffic(4 * RATE);
  const samples = { taken: 0, withoutReader: 0, withoutMap: 0 };

  async function replaceAll(): Promise<void> {
    for (const name of names) {
      expect(await replicas.stop(name)).toBe(0);
      await replicas.start(name);
    }
  }

  await scene.faultBegins();
  await during(replaceAll(), async () => {
    const { clients } = await scene.sandbox.control.get<{ clients: number }>('/stream');
    samples.taken += 1;
    if (clients === 0) samples.withoutReader += 1;
    if (!(await mapAnswers(replicas))) samples.withoutMap += 1;
  });
  await scene.faultEnds();

  await finish(replicas, 'each of 6 processes replaced');
  expect(samples).toEqual({ taken: samples.taken, withoutReader: 0, withoutMap: 0 });
  expect(samples.taken).toBeGreaterThan(20);
});

test('an event that ends whoever transforms it is one letter, and all others are published', async (context) => {
  const replicas = await createReplicas(context, {
    sandbox: { SANDBOX_MALFORMED_SHARE: '0' },
    settings: { BUFFER_HOLD_SECONDS: '2' },
    publisherArguments: ['--import', './test/faults/support/deadly-event.ts'],
  });
  const { scene } = replicas;
  await replicas.start('reader-0', 'publisher-0');
  await scene.setTraffic(RATE);
  await sleep(3000);
  await scene.faultBegins();
  const deadly = {
    id: 'deadly',
    resourceType: 'interaction',
    eventType: 'created',
    createdTime: '2099-01-01T00:00:00.000Z',
    payload: { type: 'voice', priority: 'high' },
  };
  await scene.sandbox.control.post('/events/emit', { events: [deadly] });
  let ends = 0;
  const letters = () => scene.sandbox.control.get<{ count: number }>('/dead-letters?limit=1');
  while ((await letters()).count === 0) {
    await sleep(100);
    if (replicas.of('publisher').length > 0) continue;
    ends += 1;
    // It may meet the event before it is ready.
    await replicas.start('publisher-0').catch(() => undefined);
  }
  await scene.faultEnds();

  const audit = await finish(replicas, `an event that ends its process (${ends} times)`, ends);
  const { letters: kept } = await scene.sandbox.control.get<{ letters: { body: string }[] }>(
    '/dead-letters?limit=100',
  );
  expect(kept.map(({ body }) => JSON.parse(body) as object)).toEqual([
    expect.objectContaining({ errorCode: 'poisoned', originalEvent: deadly }),
  ]);
  expect(audit.published).toBe(audit.sent - 1);
  expect(ends).toBeGreaterThanOrEqual(8);
});
