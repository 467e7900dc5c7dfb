import {
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { type RunningAws, startAws, useTestCredentials } from '../../aws/aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let client: SQSClient;
let clock: number;
beforeEach(async () => {
  clock = 1_800_000_000_000;
  sandbox = await startAws({ now: () => clock });
  sandbox.aws.createQueue('ordered.fifo');
  client = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url, maxAttempts: 1 });
});
afterEach(async () => {
  client.destroy();
  await sandbox.close();
});

const fifoUrl = () => sandbox.queueUrl.replace('dead-letters', 'ordered.fifo');
const send = (input: Partial<SendMessageCommandInput> = {}) =>
  client.send(
    new SendMessageCommand({ QueueUrl: sandbox.queueUrl, MessageBody: 'hello', ...input }),
  );
async function receive(QueueUrl = sandbox.queueUrl, WaitTimeSeconds = 0): Promise<Message[]> {
  const command = new ReceiveMessageCommand({
    QueueUrl,
    WaitTimeSeconds,
    MaxNumberOfMessages: 10,
    MessageAttributeNames: ['All'],
    MessageSystemAttributeNames: ['All'],
  });
  return (await client.send(command)).Messages ?? [];
}

describe('what a queue refuses', () => {
  const elevenAttributes = Object.fromEntries(
    Array.from({ length: 11 }, (_, n) => [`a${n}`, { DataType: 'String', StringValue: 'v' }]),
  );
  const attribute = (DataType: string, StringValue: string) => ({
    MessageAttributes: { name: { DataType, StringValue } },
  });
  test.each<[string, Partial<SendMessageCommandInput>, string, string]>([
    ['no body', { MessageBody: '' }, 'MissingParameter', 'MessageBody'],
    ['U+FFFF', { MessageBody: 'a\uFFFF' }, 'InvalidMessageContents', 'Invalid characters'],
    ['a control character', { MessageBody: 'a\u0001' }, 'InvalidMessageContents', 'Invalid'],
    [
      '1 MiB and a byte',
      { MessageBody: 'x'.repeat(1_048_577) },
      'InvalidParameterValue',
      'shorter',
    ],
    ['eleven attributes', { MessageAttributes: elevenAttributes }, 'InvalidParameterValue', '[11]'],
    ['an empty value', attribute('String', ''), 'InvalidParameterValue', 'non-empty'],
    ['a type that is none', attribute('Text', 'x'), 'InvalidParameterValue', 'type'],
    ['a number that is none', attribute('Number', 'x'), 'InvalidParameterValue', 'number'],
    [
      'a de-duplication id on a standard queue',
      { MessageDeduplicationId: 'd' },
      'InvalidParameterValue',
      'queue type',
    ],
  ])('%s', async (_name, input, name, text) => {
    await expect(send(input)).rejects.toMatchObject({ name });
    await expect(send(input)).rejects.toThrow(text);
    expect(await receive()).toEqual([]);
  });

  test('a FIFO queue wants a group and a de-duplication id', async () => {
    await expect(send({ QueueUrl: fifoUrl() })).rejects.toMatchObject({
      name: 'MissingParameter',
    });
    await expect(send({ QueueUrl: fifoUrl(), MessageGroupId: 'g' })).rejects.toThrow(
      'MessageDeduplicationId',
    );
  });

  test('a queue that is not there: both codes of it', async () => {
    await client.send(new DeleteQueueCommand({ QueueUrl: sandbox.queueUrl }));
    await expect(send()).rejects.toMatchObject({
      name: 'QueueDoesNotExist',
      Code: 'AWS.SimpleQueueService.NonExistentQueue',
    });
  });

  test.each<[string, { Id: string; MessageBody: string }[], string]>([
    ['an empty batch', [], 'EmptyBatchRequest'],
    [
      'eleven messages',
      Array.from({ length: 11 }, (_, n) => ({ Id: String(n), MessageBody: 'x' })),
      'TooManyEntriesInBatchRequest',
    ],
    [
      'the same id twice',
      [
        { Id: 'a', MessageBody: 'x' },
        { Id: 'a', MessageBody: 'y' },
      ],
      'BatchEntryIdsNotDistinct',
    ],
    ['an id with a blank', [{ Id: 'a b', MessageBody: 'x' }], 'InvalidBatchEntryId'],
    [
      'more than 1 MiB together',
      [
        { Id: 'a', MessageBody: 'x'.repeat(600_000) },
        { Id: 'b', MessageBody: 'x'.repeat(600_000) },
      ],
      'BatchRequestTooLong',
    ],
  ])('%s', async (_name, Entries, name) => {
    const command = new SendMessageBatchCommand({ QueueUrl: sandbox.queueUrl, Entries });
    await expect(client.send(command)).rejects.toMatchObject({ name });
  });

  test('one bad message of a batch fails alone', async () => {
    const Entries = [
      { Id: 'good', MessageBody: 'x' },
      { Id: 'bad', MessageBody: '\uFFFE' },
    ];
    const answer = await client.send(
      new SendMessageBatchCommand({ QueueUrl: sandbox.queueUrl, Entries }),
    );
    expect(answer.Successful).toMatchObject([{ Id: 'good' }]);
    expect(answer.Failed).toMatchObject([
      { Id: 'bad', SenderFault: true, Code: 'InvalidMessageContents' },
    ]);
  });
});

describe('as recorded from AWS', () => {
  test.each([
    ['hello', 'nowhere', 'com.amazonaws.sqs#QueueDoesNotExist'],
    ['', 'dead-letters', 'com.amazon.coral.service#MissingRequiredParameterException'],
    [
      'x'.repeat(1_048_577),
      'dead-letters',
      'com.amazon.coral.service#InvalidParameterValueException',
    ],
  ])('the __type of a refusal (%#)', async (MessageBody, queue, type) => {
    const answer = await fetch(sandbox.url, {
      method: 'POST',
      headers: { 'x-amz-target': 'AmazonSQS.SendMessage', authorization: 'AWS4-HMAC-SHA256 x' },
      body: JSON.stringify({ QueueUrl: `${sandbox.url}/000000000000/${queue}`, MessageBody }),
    });
    expect(await answer.json()).toMatchObject({ __type: type });
  });

  test.each([
    [
      'group',
      { MessageDeduplicationId: 'd' },
      'The request must contain the parameter MessageGroupId.',
    ],
    ['de-duplication id', { MessageGroupId: 'g' }, 'The queue should either have ContentBased'],
  ])('a FIFO batch with one entry without %s is refused whole', async (_name, ids, text) => {
    const Entries = [
      { Id: 'good', MessageBody: 'x', MessageGroupId: 'g', MessageDeduplicationId: 'd' },
      { Id: 'bad', MessageBody: 'y', ...ids },
    ];
    const command = new SendMessageBatchCommand({ QueueUrl: fifoUrl(), Entries });
    await expect(client.send(command)).rejects.toMatchObject({
      name: 'InvalidParameterValue',
      message: expect.stringContaining(text) as string,
    });
    expect(await receive(fifoUrl())).toEqual([]);
  });

  test('a FIFO queue takes no delay of one message', async () => {
    const ids = { MessageGroupId: 'g', MessageDeduplicationId: 'd' };
    await expect(send({ QueueUrl: fifoUrl(), ...ids, DelaySeconds: 2 })).rejects.toThrow(
      'Value 2 for parameter DelaySeconds is invalid.',
    );
  });

  test('names of attributes that there are not', async () => {
    const get = new GetQueueAttributesCommand({
      QueueUrl: sandbox.queueUrl,
      AttributeNames: ['Nonsense' as never],
    });
    await expect(client.send(get)).rejects.toMatchObject({ name: 'InvalidAttributeName' });
    const set = new SetQueueAttributesCommand({
      QueueUrl: sandbox.queueUrl,
      Attributes: { FifoQueue: 'true' },
    });
    await expect(client.send(set)).rejects.toThrow('Unknown Attribute FifoQueue.');
  });

  test('visibility may be changed when its time is over, until somebody else has the message', async () => {
    await send();
    const [first] = await receive();
    const change = () =>
      client.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: sandbox.queueUrl,
          ReceiptHandle: first?.ReceiptHandle,
          VisibilityTimeout: 10,
        }),
      );
    clock += 31_000;
    await change();
    expect(await receive()).toEqual([]);
    clock += 11_000;
    expect(await receive()).toHaveLength(1);
    await expect(change()).rejects.toMatchObject({ name: 'MessageNotInflight' });
  });
});

test('digests of body and attributes are those of AWS', async () => {
  // The pair that moto's tests hold SQS' digests to.
  const answer = await send({
    MessageBody: 'This is a test message',
    MessageAttributes: {
      timestamp: { DataType: 'Number', StringValue: '1493147359900' },
    },
  });
  expect(answer.MD5OfMessageBody).toBe('fafb00f5732ab283681e124bf8747ed1');
  expect(answer.MD5OfMessageAttributes).toBe('235c5c510d26fb653d073faed50ae77c');
});

test('a received message is hidden for its time, then there again with another receipt', async () => {
  await send();
  const [first] = await receive();
  expect(first?.Attributes?.ApproximateReceiveCount).toBe('1');
  expect(await receive()).toEqual([]);
  clock += 30_000;
  const [second] = await receive();
  expect(second).toMatchObject({ MessageId: first?.MessageId });
  expect(second?.Attributes?.ApproximateReceiveCount).toBe('2');
  expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);

  const asked = { QueueUrl: sandbox.queueUrl, ReceiptHandle: second?.ReceiptHandle ?? '' };
  await client.send(new ChangeMessageVisibilityCommand({ ...asked, VisibilityTimeout: 0 }));
  expect(await receive()).toHaveLength(1);
  await client.send(new DeleteMessageCommand(asked));
  clock += 30_000;
  expect(await receive()).toEqual([]);
});

test('a FIFO queue keeps order within a group and holds it back while one is under way', async () => {
  const put = (MessageGroupId: string, id: string) =>
    send({ QueueUrl: fifoUrl(), MessageGroupId, MessageDeduplicationId: id, MessageBody: id });
  for (const id of ['a1', 'a2']) await put('a', id);
  const both = await receive(fifoUrl());
  expect(both.map(({ Body }) => Body)).toEqual(['a1', 'a2']);
  await put('a', 'a3');
  await put('b', 'b1');
  expect((await receive(fifoUrl())).map(({ Body }) => Body)).toEqual(['b1']);
  for (const { ReceiptHandle } of both) {
    await client.send(new DeleteMessageCommand({ QueueUrl: fifoUrl(), ReceiptHandle }));
  }
  expect((await receive(fifoUrl())).map(({ Body }) => Body)).toEqual(['a3']);
});

test('the same de-duplication id counts once in five minutes, also when the first is gone', async () => {
  const again = () =>
    send({ QueueUrl: fifoUrl(), MessageGroupId: 'g', MessageDeduplicationId: 'd' });
  const first = await again();
  expect((await again()).MessageId).toBe(first.MessageId);
  const [received] = await receive(fifoUrl());
  await client.send(
    new DeleteMessageCommand({ QueueUrl: fifoUrl(), ReceiptHandle: received?.ReceiptHandle }),
  );
  clock += 299_000;
  await again();
  expect(await receive(fifoUrl())).toEqual([]);
  clock += 1000;
  await again();
  expect(await receive(fifoUrl())).toHaveLength(1);
});

test('a long poll ends when a message comes', async () => {
  const polling = receive(sandbox.queueUrl, 20);
  await vi.waitFor(() => expect(sandbox.requests.maxInFlight('aws.sqs.ReceiveMessage')).toBe(1));
  await send();
  expect(await polling).toHaveLength(1);
});

test('queues are made, found, measured, configured and emptied', async () => {
  const { QueueUrl } = await client.send(new CreateQueueCommand({ QueueName: 'other' }));
  expect(await client.send(new GetQueueUrlCommand({ QueueName: 'other' }))).toMatchObject({
    QueueUrl,
  });
  await send({ QueueUrl, DelaySeconds: 10 });
  await send({ QueueUrl });
  const measure = async () => {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
    return (await client.send(command)).Attributes;
  };
  expect(await measure()).toMatchObject({
    QueueArn: 'arn:aws:sqs:us-east-1:000000000000:other',
    ApproximateNumberOfMessages: '1',
    ApproximateNumberOfMessagesDelayed: '1',
    MaximumMessageSize: '1048576',
  });
  const Attributes = { MaximumMessageSize: '1024' };
  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  await expect(send({ QueueUrl, MessageBody: 'x'.repeat(1025) })).rejects.toThrow('1024');
  await client.send(new PurgeQueueCommand({ QueueUrl }));
  expect(await measure()).toMatchObject({ ApproximateNumberOfMessages: '0' });
  await expect(
    client.send(new CreateQueueCommand({ QueueName: 'x', Attributes: { FifoQueue: 'true' } })),
  ).rejects.toMatchObject({ name: 'InvalidParameterValue' });
});

test('a duplicate is taken whatever its body, and what it says is hashed', async () => {
  const ids = { QueueUrl: fifoUrl(), MessageGroupId: 'g', MessageDeduplicationId: 'd' };
  const first = await send({ ...ids, MessageBody: 'first' });
  // The client compares the hash with the body that it sent.
  const second = await send({ ...ids, MessageBody: 'second' });
  expect(second.MessageId).toBe(first.MessageId);
  expect((await receive(fifoUrl())).map(({ Body }) => Body)).toEqual(['first']);
});

test.each([
  ['queue', ['g1']],
  ['messageGroup', ['g1', 'g2']],
])('in the scope of a %s an id is new once', async (DeduplicationScope, bodies) => {
  await client.send(
    new SetQueueAttributesCommand({ QueueUrl: fifoUrl(), Attributes: { DeduplicationScope } }),
  );
  for (const group of ['g1', 'g2', 'g1']) {
    const ids = { MessageGroupId: group, MessageDeduplicationId: 'd' };
    await send({ QueueUrl: fifoUrl(), ...ids, MessageBody: group });
  }
  expect((await receive(fifoUrl())).map(({ Body }) => Body)).toEqual(bodies);
});
