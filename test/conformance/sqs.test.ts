import { createHash } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type QueueAttributeName,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { conforms, type Engine, outcomeOf } from './support/conforms.ts';
import { bodies, entry, makeQueue } from './support/queues.ts';

const inEngine = (engine: Engine) => makeQueue(engine, '');
const text = (StringValue: string) => ({ DataType: 'String', StringValue });

conforms<unknown>('SQS', ['sandbox', 'moto', 'elasticmq'], {
  'hashes bodies and attributes, of every kind, as AWS documents it': {
    async ask(engine) {
      const queue = await inEngine(engine);
      const { MD5OfMessageBody, MD5OfMessageAttributes } = await queue.send({
        MessageBody: 'Grüße 🙂',
        MessageAttributes: {
          b: { DataType: 'Binary', BinaryValue: Uint8Array.of(0, 255) },
          a: text('ä'),
          n: { DataType: 'Number.int', StringValue: '7' },
        },
      });
      const [all] = await queue.receive({ MessageAttributeNames: ['All'], VisibilityTimeout: 0 });
      const [none] = await queue.receive();
      return {
        MD5OfMessageBody,
        MD5OfMessageAttributes,
        received: [all?.MD5OfBody, all?.MD5OfMessageAttributes],
        unasked: none?.MD5OfMessageAttributes,
      };
    },
    aws: {
      MD5OfMessageBody: md5('Grüße 🙂'),
      MD5OfMessageAttributes: md5OfAttributes(),
      received: [md5('Grüße 🙂'), md5OfAttributes()],
      unasked: undefined,
    },
  },
  'takes a group on a queue that is no FIFO queue': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).send({ MessageGroupId: 'g' })),
    aws: 'taken',
  },
  'refuses an empty batch': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).sendBatch([])),
    aws: 'EmptyBatchRequest',
    wrong: { elasticmq: 'taken' },
  },
  'refuses eleven entries': {
    ask: async (engine) =>
      outcomeOf(
        (await inEngine(engine)).sendBatch(Array.from({ length: 11 }, (_, n) => entry(`m${n}`))),
      ),
    aws: 'TooManyEntriesInBatchRequest',
  },
  'refuses two entries of one id': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).sendBatch([entry('a'), entry('a')])),
    aws: 'BatchEntryIdsNotDistinct',
  },
  'refuses an entry id with a dot': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).sendBatch([entry('a.b')])),
    aws: 'InvalidBatchEntryId',
    wrong: { elasticmq: 'taken' },
  },
  'takes a batch of 1 MiB in all': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).sendBatch(halves(524_288))),
    aws: 'taken',
  },
  'refuses a batch of 1 MiB and two bytes': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).sendBatch(halves(524_289))),
    aws: 'BatchRequestTooLong',
    wrong: { elasticmq: 'InvalidAttributeValue' },
  },
  'refuses one entry by itself, as the fault of the sender': {
    async ask(engine) {
      const queue = await inEngine(engine);
      const answer = queue.sendBatch([entry('good'), entry('bad', { MessageBody: 'a\uFFFF' })]);
      const outcome = await outcomeOf(answer);
      if (outcome !== 'taken') return outcome;
      const { Successful = [], Failed = [] } = await answer;
      return {
        sent: Successful.map(({ Id }) => Id),
        failed: Failed.map(({ Id, SenderFault }) => [Id, SenderFault]),
        received: bodies(await queue.receive()),
      };
    },
    aws: { sent: ['good'], failed: [['bad', true]], received: ['good'] },
    wrong: {
      moto: { sent: ['good', 'bad'], failed: [], received: ['good', 'a\uFFFF'] },
      // It cannot read the request.
      elasticmq: 'InvalidAction',
    },
  },
  'refuses a message of 1 MiB and a byte': {
    ask: async (engine) =>
      outcomeOf((await inEngine(engine)).send({ MessageBody: 'x'.repeat(1_048_577) })),
    aws: 'InvalidParameterValue',
    wrong: { elasticmq: 'InvalidAttributeValue' },
  },
  'refuses characters that XML cannot hold': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).send({ MessageBody: 'a\uFFFE' })),
    aws: 'InvalidMessageContents',
    wrong: { moto: 'taken', elasticmq: 'InvalidAttributeValue' },
  },
  'refuses eleven attributes': {
    ask: async (engine) => {
      const names = Array.from({ length: 11 }, (_, n) => [`a${n}`, text('v')] as const);
      return outcomeOf(
        (await inEngine(engine)).send({ MessageAttributes: Object.fromEntries(names) }),
      );
    },
    aws: 'InvalidParameterValue',
    wrong: { moto: 'taken', elasticmq: 'InvalidAttributeValue' },
  },
  'refuses an attribute without a value': {
    ask: async (engine) =>
      outcomeOf((await inEngine(engine)).send({ MessageAttributes: { a: text('') } })),
    aws: 'InvalidParameterValue',
    wrong: { moto: 'taken', elasticmq: 'InvalidAttributeValue' },
  },
  'refuses to take eleven messages at once': {
    ask: async (engine) => outcomeOf((await inEngine(engine)).receive({ MaxNumberOfMessages: 11 })),
    aws: 'InvalidParameterValue',
    wrong: { elasticmq: 'InvalidAttributeValue' },
  },
  'knows no attribute that it is asked for': {
    async ask(engine) {
      const { url } = await inEngine(engine);
      return outcomeOf(
        engine.sqs.send(
          new GetQueueAttributesCommand({
            QueueUrl: url,
            AttributeNames: ['Colour' as QueueAttributeName],
          }),
        ),
      );
    },
    aws: 'InvalidAttributeName',
    wrong: { elasticmq: 'taken' },
  },
  'knows no attribute that somebody sets': {
    async ask(engine) {
      const { url } = await inEngine(engine);
      return outcomeOf(
        engine.sqs.send(
          new SetQueueAttributesCommand({
            QueueUrl: url,
            Attributes: { ['Colour' as 'Policy']: 'red' },
          }),
        ),
      );
    },
    aws: 'InvalidAttributeName',
    wrong: { moto: 'taken' },
  },
  'says what a queue has that nobody configured': {
    async ask(engine) {
      const { url } = await inEngine(engine);
      const { Attributes = {} } = await engine.sqs.send(
        new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['All'] }),
      );
      const { MaximumMessageSize, MessageRetentionPeriod, VisibilityTimeout } = Attributes;
      return { MaximumMessageSize, MessageRetentionPeriod, VisibilityTimeout };
    },
    aws: {
      MaximumMessageSize: '1048576',
      MessageRetentionPeriod: '345600',
      VisibilityTimeout: '30',
    },
    wrong: { elasticmq: { VisibilityTimeout: '30' } },
  },
  'hides again, by a time-out that is over, what nobody else received': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send();
      const [message] = await queue.receive({ VisibilityTimeout: 1 });
      await queue.untilVisible(1);
      const outcome = await outcomeOf(
        engine.sqs.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: queue.url,
            ReceiptHandle: message?.ReceiptHandle,
            VisibilityTimeout: 30,
          }),
        ),
      );
      return { outcome, visible: (await queue.receive()).length };
    },
    aws: { outcome: 'taken', visible: 0 },
  },
  'deletes twice by one receipt': {
    async ask(engine) {
      const queue = await inEngine(engine);
      await queue.send();
      const [message = {}] = await queue.receive();
      return [await outcomeOf(queue.delete(message)), await outcomeOf(queue.delete(message))];
    },
    aws: ['taken', 'taken'],
    wrong: { elasticmq: ['taken', 'ReceiptHandleIsInvalid'] },
  },
  'refuses a receipt that it never gave': {
    async ask(engine) {
      const { url } = await inEngine(engine);
      return outcomeOf(
        engine.sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: 'never' })),
      );
    },
    aws: 'ReceiptHandleIsInvalid',
  },
  'names a queue that is not there by both of its codes': {
    async ask(engine) {
      const name = await outcomeOf(
        engine.sqs.send(new GetQueueUrlCommand({ QueueName: 'nowhere' })),
      );
      const answer = await fetch(engine.url, {
        method: 'POST',
        headers: {
          'content-type': 'application/x-amz-json-1.0',
          'x-amz-target': 'AmazonSQS.GetQueueUrl',
          'x-amzn-query-mode': 'true',
          authorization:
            'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/sqs/aws4_request, SignedHeaders=host, Signature=0',
        },
        body: '{"QueueName":"nowhere"}',
      });
      const { __type } = (await answer.json()) as { __type: string };
      return [name, answer.status, __type, answer.headers.get('x-amzn-query-error')];
    },
    aws: [
      'QueueDoesNotExist',
      400,
      'com.amazonaws.sqs#QueueDoesNotExist',
      'AWS.SimpleQueueService.NonExistentQueue;Sender',
    ],
    wrong: {
      elasticmq: [
        'QueueDoesNotExist',
        400,
        'com.amazonaws.sqs#QueueDoesNotExist',
        'com.amazonaws.sqs#QueueDoesNotExist',
      ],
    },
  },
});

function halves(bytes: number) {
  const MessageBody = 'x'.repeat(bytes);
  return [entry('a', { MessageBody }), entry('b', { MessageBody })];
}

function md5(text: string | Uint8Array): string {
  return createHash('md5').update(text).digest('hex');
}

/** By hand, sorted by name: each part with its length before it, 1 for text and 2 for bytes. */
function md5OfAttributes(): string {
  const part = (bytes: Buffer) => {
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bytes.length);
    return Buffer.concat([length, bytes]);
  };
  const parts = [
    [part(Buffer.from('a')), part(Buffer.from('String')), Buffer.of(1), part(Buffer.from('ä'))],
    [part(Buffer.from('b')), part(Buffer.from('Binary')), Buffer.of(2), part(Buffer.of(0, 255))],
    [part(Buffer.from('n')), part(Buffer.from('Number.int')), Buffer.of(1), part(Buffer.from('7'))],
  ];
  return md5(Buffer.concat(parts.flat()));
}
