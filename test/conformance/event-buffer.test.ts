import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createEventBuffer } from '../../src/aws/sqs/event-buffer.ts';
import type {
  BufferedEvent,
  BufferOutcomes,
  EventBuffer,
  HeldMessage,
} from '../../src/events/ports.ts';
import { wayTo } from '../aws/aws-sandbox.ts';
import { conforms, type Engine } from './support/conforms.ts';
import { makeQueue } from './support/queues.ts';

// The rows run at the same time, so none may put back what another one needs.
process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';

const FIFO = { DeduplicationScope: 'messageGroup', FifoThroughputLimit: 'perMessageGroupId' };
const TAKEN_AT_MS = Date.parse('2026-01-02T03:04:05.678Z');

function eventOf(eventId: string, event: BufferedEvent['event'] = { id: eventId }): BufferedEvent {
  return { eventId, deduplicationId: eventId, takenAtMs: TAKEN_AT_MS, event };
}

/** Our own adapter on a new queue of the engine. */
async function withBuffer<T>(
  engine: Engine,
  suffix: '' | '.fifo',
  use: (buffer: EventBuffer) => Promise<T>,
): Promise<T> {
  const { url } = await makeQueue(engine, suffix, suffix === '' ? {} : FIFO);
  const buffer = createEventBuffer({
    ...wayTo(engine.url),
    requestTimeoutMs: 15_000,
    queueUrl: url,
  });
  try {
    return await use(buffer);
  } finally {
    buffer.close();
  }
}

const hold = (buffer: EventBuffer, seconds = 30) =>
  buffer.hold({ max: 10, seconds, waitSeconds: 0 });
const receiptsOf = (messages: readonly HeldMessage[]) => messages.map(({ receipt }) => receipt);
const idsOf = (messages: readonly HeldMessage[]) =>
  messages.map(({ content }) => (content.kind === 'taken' ? content.eventId : content.kind)).sort();
const codesOf = (outcomes: BufferOutcomes) =>
  outcomes.map((error) =>
    error === undefined ? 'done' : 'code' in error ? error.code : error.message,
  );

async function holdWhenOver(buffer: EventBuffer, seconds: number) {
  await sleep(seconds * 1000 + 200);
  return hold(buffer);
}

const rows = (suffix: '' | '.fifo') => ({
  'gives each event as it was put there, once': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        const odd = { text: '🙂 \uFFFE\uFFFF \u0000', deep: [{ a: null }] };
        const events = [eventOf('plain'), eventOf('odd id ü', odd)];
        const outcomes = await buffer.put(events);
        const held = await hold(buffer);
        const contents = held.map(({ content }) => content);
        return {
          accepted: outcomes.map(({ accepted }) => accepted),
          contents: contents.toSorted((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1)),
          holds: held.map(({ holds }) => holds),
          again: (await hold(buffer)).length,
        };
      }),
    aws: {
      accepted: [true, true],
      holds: [1, 1],
      contents: [
        {
          kind: 'taken',
          eventId: 'odd id ü',
          takenAtMs: TAKEN_AT_MS,
          event: { text: '🙂 \uFFFE\uFFFF \u0000', deep: [{ a: null }] },
        },
        {
          kind: 'taken',
          eventId: 'plain',
          takenAtMs: TAKEN_AT_MS,
          event: { id: 'plain' },
        },
      ],
      again: 0,
    },
  },
  'takes and gives an event of 1 MiB, packed': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.check();
        const note = Array.from({ length: 20_000 }, () => randomUUID()).join('');
        const event = eventOf('large', { id: 'large', note });
        const fits = buffer.bytesOf(event) <= buffer.maxBytes;
        await buffer.put([event]);
        const [held] = await hold(buffer);
        return {
          fits,
          same: held?.content.kind === 'taken' && held.content.event['note'] === note,
        };
      }),
    aws: { fits: true, same: true },
    // It does not say how much it takes, so it is given no more than the oldest queues took.
    wrong: { elasticmq: { fits: false, same: true } },
  },
  'keeps nothing of what is settled': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a'), eventOf('b')]);
        const held = await hold(buffer, 1);
        const outcomes = await buffer.settle(receiptsOf(held));
        const again = await holdWhenOver(buffer, 1);
        return [codesOf(outcomes), again.length, (await buffer.inspect()).counts];
      }),
    aws: [['done', 'done'], 0, { waiting: 0, held: 0, delayed: 0 }],
  },
  'gives at once what was given back, and counts the holds': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a')]);
        const outcomes = await buffer.giveBack(receiptsOf(await hold(buffer)), 0);
        const again = await hold(buffer);
        return [codesOf(outcomes), idsOf(again), again.map(({ holds }) => holds)];
      }),
    aws: [['done'], ['a'], [2]],
  },
  'gives later what was given back for later': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a')]);
        await buffer.giveBack(receiptsOf(await hold(buffer)), 2);
        return [(await hold(buffer)).length, (await holdWhenOver(buffer, 2)).length];
      }),
    aws: [0, 1],
  },
  'holds for as long as it is kept': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a')]);
        const held = await hold(buffer, 2);
        const kept = await buffer.keep(receiptsOf(held), 30);
        const others = await holdWhenOver(buffer, 2);
        return [codesOf(kept), others.length, codesOf(await buffer.settle(receiptsOf(held)))];
      }),
    aws: [['done'], 0, ['done']],
  },
  'gives to others what is not settled in time': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a')]);
        await hold(buffer, 1);
        return idsOf(await holdWhenOver(buffer, 1));
      }),
    aws: ['a'],
  },
  'counts what waits and what is held': {
    ask: (engine: Engine) =>
      withBuffer(engine, suffix, async (buffer) => {
        await buffer.put([eventOf('a'), eventOf('b'), eventOf('c')]);
        await buffer.hold({ max: 1, seconds: 30, waitSeconds: 0 });
        return (await buffer.inspect()).counts;
      }),
    aws: { waiting: 2, held: 1, delayed: 0 },
  },
});

const ENGINES = ['sandbox', 'moto', 'elasticmq'] as const;
conforms<unknown>('The event buffer on a queue', ENGINES, rows(''));
conforms<unknown>('The event buffer on a FIFO queue', ENGINES, {
  ...rows('.fifo'),
  'takes an event of two readers once, also after it was settled': {
    ask: (engine) =>
      withBuffer(engine, '.fifo', async (buffer) => {
        const put = async () => (await buffer.put([eventOf('a')])).map(({ accepted }) => accepted);
        const accepted = [await put(), await put()];
        const held = await hold(buffer);
        await buffer.settle(receiptsOf(held));
        accepted.push(await put());
        return { accepted, held: held.length, again: (await hold(buffer)).length };
      }),
    aws: { accepted: [[true], [true], [true]], held: 1, again: 0 },
    wrong: { moto: { accepted: [[true], [true], [true]], held: 1, again: 1 } },
  },
  'takes the event of a dead letter although it had it before': {
    ask: (engine) =>
      withBuffer(engine, '.fifo', async (buffer) => {
        await buffer.put([eventOf('a')]);
        await buffer.settle(receiptsOf(await hold(buffer)));
        await buffer.put([{ ...eventOf('a'), deduplicationId: 'of the letter' }]);
        return idsOf(await hold(buffer));
      }),
    aws: ['a'],
  },
  'says of a hold that it has ended when others have the event': {
    ask: (engine) =>
      withBuffer(engine, '.fifo', async (buffer) => {
        await buffer.put([eventOf('a')]);
        const mine = await hold(buffer, 1);
        const others = await holdWhenOver(buffer, 1);
        const outcomes = await buffer.settle(receiptsOf(mine));
        const kept = await buffer.keep(receiptsOf(mine), 30);
        return [codesOf(outcomes), codesOf(kept), codesOf(await buffer.settle(receiptsOf(others)))];
      }),
    aws: [['buffer_hold_ended'], ['buffer_hold_ended'], ['done']],
    wrong: { moto: [['done'], ['buffer_hold_ended'], ['done']] },
  },
  'holds no event back for another one': {
    ask: (engine) =>
      withBuffer(engine, '.fifo', async (buffer) => {
        const ids = Array.from('0123456789');
        await buffer.put(ids.map((id) => eventOf(id)));
        await buffer.hold({ max: 1, seconds: 30, waitSeconds: 0 });
        return (await hold(buffer)).length;
      }),
    aws: 9,
  },
});
// Moto takes minutes for it.
conforms<unknown>('The window of an event buffer', ['sandbox', 'elasticmq'], {
  'takes the first of 10,500 events once': {
    ask: (engine) =>
      withBuffer(engine, '.fifo', async (buffer) => {
        for (let from = 0; from < 10_500; from += 100) {
          const tens = Array.from({ length: 10 }, (_, ten) =>
            Array.from({ length: 10 }, (_, n) => eventOf(String(from + 10 * ten + n))),
          );
          await Promise.all(tens.map((events) => buffer.put(events)));
        }
        await buffer.put([eventOf('0')]);
        return (await buffer.inspect()).counts.waiting;
      }),
    aws: 10_500,
  },
});
