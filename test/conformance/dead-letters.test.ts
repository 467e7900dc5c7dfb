import { randomUUID } from 'node:crypto';
import { createDeadLetterQueue } from '../../src/aws/sqs/dead-letter-queue.ts';
import { readThrough } from '../../src/events/dead-letters/read-through.ts';
import type { DeadLetter, DeadLetterQueue, ReceivedLetter } from '../../src/events/ports.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { wayTo } from '../aws/aws-sandbox.ts';
import { conforms, type Engine } from './support/conforms.ts';
import { makeQueue } from './support/queues.ts';

// The rows run at the same time, so none may put back what another one needs.
process.env['AWS_ACCESS_KEY_ID'] ??= 'test';
process.env['AWS_SECRET_ACCESS_KEY'] ??= 'test';

const LETTERS = 34;

function letter(number: number): DeadLetter {
  return {
    originalEvent: { number },
    error: 'made',
    timestamp: '2026-01-01T00:00:00.000Z',
    firstSeen: '2026-01-01T00:00:00.000Z',
    retryAttempt: 0,
    attempts: 0,
    stage: 'validate',
    errorCode: 'schema_violation',
    eventId: randomUUID(),
  };
}

const numberOf = (received: ReceivedLetter): number =>
  (received.letter?.originalEvent as { number: number } | undefined)?.number ?? -1;

/** Our own adapter on a new queue of the engine, with letters in it. */
async function withLetters<T>(
  engine: Engine,
  suffix: '' | '.fifo',
  use: (queue: DeadLetterQueue) => Promise<T>,
): Promise<T> {
  const made = await makeQueue(engine, suffix);
  const queue = createDeadLetterQueue({ ...wayTo(engine.url), queueUrl: made.url });
  try {
    await queue.send(Array.from({ length: LETTERS }, (_, number) => letter(number)));
    await made.untilVisible(LETTERS);
    return await use(queue);
  } finally {
    queue.close();
  }
}

/** What one reader sees; letters of even numbers leave the queue. */
async function readOdd(queue: DeadLetterQueue) {
  const seen: number[] = [];
  const report = await readThrough(
    {
      queue,
      max: 1000,
      async handle(letters) {
        seen.push(...letters.map(numberOf));
        const done = letters.filter((one) => numberOf(one) % 2 === 0);
        await queue.delete(done.map(({ receipt }) => receipt));
        return letters.filter((one) => numberOf(one) % 2 === 1);
      },
      onExamined: () => undefined,
      log: createLogger({ level: 'silent' }),
      now: Date.now,
    },
    new AbortController().signal,
  );
  return { seen: seen.sort((a, b) => a - b), examined: report.examined, endedBy: report.endedBy };
}

const all = Array.from({ length: LETTERS }, (_, number) => number);
const odd = all.filter((number) => number % 2 === 1);
const rows = (suffix: '' | '.fifo') => ({
  'gives each letter once, and again those that stayed': {
    ask: (engine: Engine) =>
      withLetters(engine, suffix, async (queue) => [await readOdd(queue), await readOdd(queue)]),
    aws: [
      { seen: all, examined: LETTERS, endedBy: 'empty' },
      { seen: odd, examined: odd.length, endedBy: 'empty' },
    ],
  },
  'gives each letter to one of two readers at once': {
    ask: (engine: Engine) =>
      withLetters(engine, suffix, async (queue) => {
        const [one, other] = await Promise.all([readOdd(queue), readOdd(queue)]);
        const even = [...one.seen, ...other.seen].filter((number) => number % 2 === 0);
        const { visible } = await queue.counts();
        return { onceEach: even.length === new Set(even).size, visible: visible >= odd.length };
      }),
    aws: { onceEach: true, visible: true },
  },
  'is not empty to a reader while another one holds letters': {
    ask: (engine: Engine) =>
      withLetters(engine, suffix, async (queue) => {
        const held = await queue.receive({ max: 10, visibilitySeconds: 60 });
        const { endedBy } = await readOdd(queue);
        await queue.release(held.map(({ receipt }) => receipt));
        return endedBy;
      }),
    aws: 'held_by_others',
  },
});

conforms<unknown>('Dead letters in a FIFO queue', ['sandbox', 'moto', 'elasticmq'], rows('.fifo'));
conforms<unknown>('Dead letters in a queue', ['sandbox', 'moto', 'elasticmq'], rows(''));
