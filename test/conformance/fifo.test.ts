import { ChangeMessageVisibilityCommand } from '@aws-sdk/client-sqs';
import { conforms, type Engine, outcomeOf } from './support/conforms.ts';
import { bodies, entry, makeQueue } from './support/queues.ts';

const in1 = (id: string, group = 'g') => ({
  MessageBody: id,
  MessageGroupId: group,
  MessageDeduplicationId: id,
});
const three = ['1', '2', '3'].map((id) => entry(id, in1(id)));
const inEngine = (engine: Engine, attributes?: Record<string, string>) =>
  makeQueue(engine, '.fifo', attributes);

conforms<unknown>('A FIFO queue', ['sandbox', 'moto', 'elasticmq'], {
  'hands out ten groups in one receive': {
    async ask(engine) {
      const queue = await inEngine(engine);
      const ids = Array.from('0123456789');
      await queue.sendBatch(ids.map((id) => entry(id, in1(id, id))));
      return new Set(bodies(await queue.receive()));
    },
    aws: new Set('0123456789'),
  },
  'drops a duplicate while the first one waits, under its message id': {
    async ask(engine) {
      const queue = await inEngine(engine);
      const first = await queue.send(in1('a'));
      const second = await queue.send({ ...in1('a'), MessageBody: 'another body' });
      return {
        same: first.MessageId === second.MessageId,
        received: bodies(await queue.receive()),
      };
    },
    aws: { same: true, received: ['a'] },
    wrong: { moto: { same: false, received: ['a'] } },
  },
  'drops a duplicate after the first one was deleted': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send(in1('a'));
      for (const message of await queue.receive()) await queue.delete(message);
      await queue.send(in1('a'));
      return bodies(await queue.receive());
    },
    aws: [],
    wrong: { moto: ['a'] },
  },
  'takes one de-duplication id once for each group in the scope of groups': {
    async ask(engine) {
      const queue = await inEngine(engine, {
        DeduplicationScope: 'messageGroup',
        FifoThroughputLimit: 'perMessageGroupId',
      });
      await queue.send(in1('a', 'g1'));
      await queue.send(in1('a', 'g2'));
      return (await queue.receive()).length;
    },
    aws: 2,
    wrong: { moto: 1, elasticmq: 1 },
  },
  'de-duplicates by the body where the queue is told to': {
    async ask(engine) {
      const queue = await inEngine(engine, { ContentBasedDeduplication: 'true' });
      await queue.send({ MessageBody: 'a', MessageGroupId: 'g' });
      await queue.send({ MessageBody: 'a', MessageGroupId: 'g' });
      await queue.send({ MessageBody: 'b', MessageGroupId: 'g' });
      return bodies(await queue.receive());
    },
    aws: ['a', 'b'],
  },
  'hands out a group of three in one receive, in order': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.sendBatch(three);
      return bodies(await queue.receive());
    },
    aws: ['1', '2', '3'],
  },
  'holds a group back while one of it is in flight': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.sendBatch(three);
      const first = await queue.receive({ MaxNumberOfMessages: 1 });
      return [bodies(first), bodies(await queue.receive())];
    },
    aws: [['1'], []],
  },
  'goes on with a group when the first of it was deleted': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.sendBatch(three);
      for (const message of await queue.receive({ MaxNumberOfMessages: 1 })) {
        await queue.delete(message);
      }
      return bodies(await queue.receive());
    },
    aws: ['2', '3'],
  },
  'refuses to delete by a receipt that expired, and keeps the message': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send(in1('a'));
      const [message] = await queue.receive({ VisibilityTimeout: 1 });
      await queue.untilVisible(1);
      const outcome = await outcomeOf(queue.delete(message ?? {}));
      return { outcome, left: bodies(await queue.receive()) };
    },
    aws: { outcome: 'InvalidParameterValue', left: ['a'] },
    wrong: { moto: { outcome: 'taken', left: [] }, elasticmq: { outcome: 'taken', left: [] } },
  },
  'refuses to delete by an older receipt of what was received again': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send(in1('a'));
      const [message = {}] = await queue.receive({ VisibilityTimeout: 1 });
      await queue.untilVisible(1);
      const again = bodies(await queue.receive());
      const outcome = await outcomeOf(queue.delete(message));
      const inFlight = await queue.count('ApproximateNumberOfMessagesNotVisible');
      return { outcome, again, inFlight };
    },
    aws: { outcome: 'InvalidParameterValue', again: ['a'], inFlight: 1 },
    wrong: {
      moto: { outcome: 'taken', again: ['a'], inFlight: 0 },
      elasticmq: { outcome: 'ReceiptHandleIsInvalid', again: ['a'], inFlight: 1 },
    },
  },
  'counts receives, by the group in order': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.sendBatch(three);
      await queue.receive({ VisibilityTimeout: 1 });
      await queue.untilVisible(3);
      const again = await queue.receive();
      return again.map(({ Body, Attributes }) => [Body, Attributes?.ApproximateReceiveCount]);
    },
    aws: [
      ['1', '2'],
      ['2', '2'],
      ['3', '2'],
    ],
    wrong: { moto: [['3', '2']] },
  },
  'hands out at once what was released': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send(in1('a'));
      const [message] = await queue.receive();
      await engine.sqs.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: queue.url,
          ReceiptHandle: message?.ReceiptHandle,
          VisibilityTimeout: 0,
        }),
      );
      const [again] = await queue.receive();
      return [again?.Body, again?.Attributes?.ApproximateReceiveCount];
    },
    aws: ['a', '2'],
  },
  'refuses a message without a group': {
    ask: async (engine) =>
      outcomeOf((await inEngine(engine)).send({ MessageDeduplicationId: 'a' })),
    aws: 'MissingParameter',
  },
  'refuses a message without a de-duplication id': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).send({ MessageGroupId: 'g' })),
    aws: 'InvalidParameterValue',
  },
  'refuses a whole batch for one entry without a group': {
    async ask(engine) {
      const queue = await inEngine(engine);
      const entries = [entry('a', in1('a')), entry('b', { MessageDeduplicationId: 'b' })];
      const outcome = await outcomeOf(queue.sendBatch(entries));
      return { outcome, received: (await queue.receive()).length };
    },
    aws: { outcome: 'InvalidParameterValue', received: 0 },
    wrong: {
      moto: { outcome: 'MissingParameter', received: 0 },
      elasticmq: { outcome: 'taken', received: 1 },
    },
  },
  'takes a delay of zero': {
    ask: async (engine) =>
      outcomeOf((await inEngine(engine)).send({ ...in1('a'), DelaySeconds: 0 })),
    aws: 'taken',
  },
  'refuses a delay of one message': {
    ask: async (engine) =>
      outcomeOf((await inEngine(engine)).send({ ...in1('a'), DelaySeconds: 1 })),
    aws: 'InvalidParameterValue',
  },
  'refuses a group with a space in it': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).send(in1('a', 'g h'))),
    aws: 'InvalidParameterValue',
    wrong: { moto: 'taken' },
  },
  'gives rising sequence numbers': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.sendBatch(three);
      const numbers = (await queue.receive()).map(({ Attributes }) =>
        BigInt(Attributes?.SequenceNumber ?? -1),
      );
      return numbers.every((number, n) => n === 0 || number > (numbers[n - 1] ?? number));
    },
    aws: true,
    wrong: { moto: false },
  },
});
