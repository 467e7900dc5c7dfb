import { randomUUID } from 'node:crypto';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { describe, expect, test, vi } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import type { BufferedEvent, EventBuffer, RawEvent } from '../../../src/events/ports.ts';
import { interaction, interactions, sandboxForTest } from '../../support/worker-under-test.ts';
import { bufferWorkerOn, createQueue } from './support/buffer-worker-on.ts';

const until = (assertion: () => void, timeout = 15_000) =>
  vi.waitFor(assertion, { timeout, interval: 10 });

function bufferedOf(event: RawEvent): BufferedEvent {
  const eventId = eventIdOf(keyOfEvent(event));
  return { eventId, deduplicationId: eventId, takenAtMs: Date.now(), event };
}

async function fill(buffer: EventBuffer, events: readonly RawEvent[]): Promise<void> {
  for (let from = 0; from < events.length; from += 10) {
    const outcomes = await buffer.put(events.slice(from, from + 10).map(bufferedOf));
    expect(outcomes.every(({ accepted }) => accepted)).toBe(true);
  }
}

async function sendText(endpoint: string, QueueUrl: string, MessageBody: string): Promise<void> {
  const client = new SQSClient({ region: 'us-east-1', endpoint });
  const fifo = { MessageGroupId: 'other', MessageDeduplicationId: randomUUID() };
  const isFifo = QueueUrl.endsWith('.fifo');
  await client.send(new SendMessageCommand({ QueueUrl, MessageBody, ...(isFifo ? fifo : {}) }));
  client.destroy();
}

const idsOf = (events: readonly RawEvent[]) => events.map(({ id }) => String(id)).sort();

describe.each(['buffer.fifo', 'buffer'])('publishing from the queue %s', (name) => {
  async function start(options: Parameters<typeof bufferWorkerOn>[2] = {}) {
    const sandbox = await sandboxForTest();
    const queueUrl = await createQueue(sandbox, name);
    return { sandbox, queueUrl, ...(await bufferWorkerOn(sandbox, queueUrl, options)) };
  }

  test('publishes each event once and leaves nothing in the queue', async () => {
    const { sandbox, worker, buffer, stats, health } = await start();
    const events = interactions(300);
    await fill(buffer, events);

    worker.start();

    await until(() => expect(sandbox.cloud.busEventCount()).toBe(300));
    expect([...sandbox.cloud.acceptedIds].sort()).toEqual(idsOf(events));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
    expect(stats.counts).toMatchObject({ published: 300, failed: 0 });
    expect(health.ready).toBe(true);
  });

  test('three publishers share the work, and one that stops gives back what it has', async () => {
    const { sandbox, queueUrl, buffer, worker } = await start({ worker: { holdSeconds: 2 } });
    const others = [
      await bufferWorkerOn(sandbox, queueUrl, { worker: { holdSeconds: 2 } }),
      await bufferWorkerOn(sandbox, queueUrl, { worker: { holdSeconds: 2 } }),
    ];
    const events = interactions(600);
    await fill(buffer, events);

    worker.start();
    for (const { worker: other } of others) other.start();
    await until(() => expect(sandbox.cloud.busEventCount()).toBeGreaterThan(50));
    // No time to publish anything more.
    await worker.stop(AbortSignal.timeout(1));

    await until(() => expect(new Set(sandbox.cloud.acceptedIds).size).toBe(600));
    expect([...new Set(sandbox.cloud.acceptedIds)].sort()).toEqual(idsOf(events));
    for (const { stats } of others) expect(stats.counts.published).toBeGreaterThan(0);
  });

  test('an event that cannot pass is a letter before it leaves the buffer', async () => {
    const { sandbox, worker, buffer, queue, stats } = await start();
    const [good, bad] = interactions(2);
    await fill(buffer, [good, { ...bad, payload: { priority: 7 } }] as RawEvent[]);

    worker.start();

    await until(() => expect(stats.counts.failed).toBe(1));
    await vi.waitFor(async () => expect((await queue.counts()).visible).toBe(1));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
    expect(sandbox.cloud.busEventCount()).toBe(1);
  });

  test('while the bus is away the events are with the queue, but a few to probe it with', async () => {
    const { sandbox, worker, buffer, health } = await start({ worker: { holdSeconds: 2 } });
    const events = interactions(200);
    sandbox.faults.add({ id: 'down', target: 'aws.events', status: 503 });
    await fill(buffer, events);
    worker.start();

    await until(() =>
      expect(health.snapshot()).toContainEqual(
        expect.objectContaining({ name: 'bus', state: 'down' }),
      ),
    );
    await new Promise((resolve) => setTimeout(resolve, 4000));
    const { counts } = await buffer.inspect();
    expect(counts.waiting).toBeGreaterThanOrEqual(190);
    sandbox.faults.clear();

    await until(() => expect(sandbox.cloud.busEventCount()).toBe(200));
    expect([...sandbox.cloud.acceptedIds].sort()).toEqual(idsOf(events));
  });

  test('a hold is renewed for as long as its event waits for the bus', async () => {
    const { sandbox, worker, buffer } = await start({ worker: { holdSeconds: 1 } });
    sandbox.faults.add({ target: 'aws.events.PutEvents', latencyMs: 1800, times: 1 });
    const events = interactions(10);
    await fill(buffer, events);

    worker.start();

    await until(() => expect(sandbox.cloud.busEventCount()).toBe(10));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
    expect(worker.status()).toMatchObject({ buffer: { ended: 0, held: 10 } });
  });

  test('an event that was held too often is a letter, unseen', async () => {
    const { sandbox, worker, buffer, queue } = await start({ worker: { maxHolds: 4 } });
    const poison = interaction();
    const good = interactions(19);
    await fill(buffer, [poison]);
    for (let holds = 0; holds < 3; holds += 1) {
      const [held] = await buffer.hold({ max: 1, seconds: 30, waitSeconds: 1 });
      await buffer.giveBack([held?.receipt ?? ''], 0);
    }
    await fill(buffer, good);

    worker.start();

    await vi.waitFor(async () => {
      const [received] = await queue.receive({ max: 1, visibilitySeconds: 0 });
      expect(received?.letter).toMatchObject({ errorCode: 'poisoned', originalEvent: poison });
    });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(19));
  });

  test('an event that ends whoever works on it is the only one given up', async () => {
    const deadly = interaction();
    const others = interactions(30);
    const { sandbox, queueUrl, buffer, queue } = await start();
    await fill(buffer, [...others.slice(0, 15), deadly, ...others.slice(15)]);
    for (let over = false; !over; ) {
      const reached = Promise.withResolvers<boolean>();
      const isStuck = ({ id }: RawEvent) => {
        if (id === deadly.id) reached.resolve(false);
        return id === deadly.id;
      };
      const one = await bufferWorkerOn(sandbox, queueUrl, { isStuck });
      one.worker.start();
      const letter = vi.waitFor(
        async () => {
          expect((await queue.counts()).visible).toBe(1);
          return true;
        },
        { timeout: 15_000, interval: 50 },
      );
      letter.catch(() => undefined);
      over = await Promise.race([reached.promise, letter]);
      // The last one goes on.
      if (!over) await one.close(AbortSignal.abort());
    }

    await until(() => expect(new Set(sandbox.cloud.acceptedIds).size).toBe(30));
    const received = await queue.receive({ max: 10, visibilitySeconds: 0 });
    // A letter whose event was not settled in time comes again.
    for (const { letter } of received) {
      expect(letter).toMatchObject({ errorCode: 'poisoned', originalEvent: deadly });
    }
  }, 40_000);

  test('while nothing can be settled no more is held than there is room for', async () => {
    const { sandbox, worker, buffer, health } = await start({ worker: { windowEvents: 50 } });
    worker.start();
    // Without the right from the start it would hold nothing at all.
    await until(() => expect(health.ready).toBe(true));
    sandbox.faults.add({
      target: 'aws.sqs.DeleteMessageBatch',
      status: 403,
      code: 'AccessDeniedException',
    });
    const events = interactions(300);
    await fill(buffer, events);

    await until(() => expect(sandbox.cloud.busEventCount()).toBeGreaterThanOrEqual(50));
    await new Promise((resolve) => setTimeout(resolve, 1000));
    // Four receives may be under way at once.
    expect(sandbox.cloud.busEventCount()).toBeLessThanOrEqual(90);
    expect(health.ready).toBe(false);
    sandbox.faults.clear();

    await until(() => expect(new Set(sandbox.cloud.acceptedIds).size).toBe(300));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
  });

  test('what no reader put there becomes a letter with its text', async () => {
    const { sandbox, queueUrl, worker, buffer, queue } = await start();
    await sendText(sandbox.url, queueUrl, 'hello');
    const good = interaction();
    await fill(buffer, [good]);

    worker.start();

    await vi.waitFor(async () => {
      const [received] = await queue.receive({ max: 1, visibilitySeconds: 0 });
      expect(received?.letter).toMatchObject({
        stage: 'read',
        errorCode: 'malformed_message',
        originalEvent: 'hello',
      });
    });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(1));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
  });

  test('an event in the envelope of EventBridge is filtered, and has the id of its content', async () => {
    const { sandbox, queueUrl, worker, stats } = await start();
    const event = interaction();
    const envelope = (detail: RawEvent) =>
      JSON.stringify({ version: '0', 'detail-type': 'x', source: 'aws.partner/g', detail });
    await sendText(sandbox.url, queueUrl, envelope(event));
    await sendText(sandbox.url, queueUrl, envelope({ ...event, resourceType: 'user' }));

    worker.start();

    await until(() => expect(stats.counts).toMatchObject({ published: 1, filteredOut: 1 }));
    expect(sandbox.cloud.busEvents[0]?.detail).toContain(eventIdOf(keyOfEvent(event)));
  });

  test('while the dead-letter queue is away an event stays in the buffer', async () => {
    const { sandbox, worker, buffer, queue, health } = await start();
    sandbox.faults.add({ target: 'aws.sqs.SendMessageBatch', status: 503, id: 'down' });
    const bad = interaction();
    const event = { ...bad, payload: { priority: 7 } };
    sandbox.faults.clear();
    await fill(buffer, [event]);
    sandbox.faults.add({ target: 'aws.sqs.SendMessageBatch', status: 503, id: 'down' });
    worker.start();

    await until(() =>
      expect(health.snapshot()).toContainEqual(
        expect.objectContaining({ name: 'queue', state: 'down', required: false }),
      ),
    );
    expect((await buffer.inspect()).counts).toMatchObject({ held: 1 });
    sandbox.faults.clear();

    await vi.waitFor(async () => expect((await queue.counts()).visible).toBe(1));
    await vi.waitFor(async () =>
      expect((await buffer.inspect()).counts).toEqual({ waiting: 0, held: 0, delayed: 0 }),
    );
  });
});
