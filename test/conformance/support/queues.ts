import { setTimeout as sleep } from 'node:timers/promises';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  type Message,
  type QueueAttributeName,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SendMessageCommand,
  type SendMessageCommandInput,
} from '@aws-sdk/client-sqs';
import type { Engine } from './conforms.ts';

let made = 0;

/** A new queue of an engine. */
export async function makeQueue(
  { sqs }: Engine,
  suffix: '' | '.fifo',
  Attributes: Readonly<Record<string, string>> = {},
) {
  made += 1;
  const QueueName = `conformance-${process.pid}-${made}${suffix}`;
  const fifo = suffix === '' ? {} : { FifoQueue: 'true' };
  const { QueueUrl } = await sqs.send(
    new CreateQueueCommand({ QueueName, Attributes: { ...fifo, ...Attributes } }),
  );
  async function count(name: QueueAttributeName): Promise<number> {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: [name] });
    return Number((await sqs.send(command)).Attributes?.[name]);
  }
  return {
    url: QueueUrl ?? '',
    send: (input: Partial<SendMessageCommandInput> = {}) =>
      sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: 'hello', ...input })),
    sendBatch: (Entries: SendMessageBatchRequestEntry[]) =>
      sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries })),
    async receive(input: Partial<ReceiveMessageCommandInput> = {}): Promise<readonly Message[]> {
      const command = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        MessageSystemAttributeNames: ['All'],
        ...input,
      });
      return (await sqs.send(command)).Messages ?? [];
    },
    count,
    /** Waits until so many messages may be received. */
    async untilVisible(messages: number): Promise<void> {
      while ((await count('ApproximateNumberOfMessages')) < messages) await sleep(50);
    },
    delete: ({ ReceiptHandle }: Message) =>
      sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle })),
  };
}

export function bodies(messages: readonly Message[]): readonly (string | undefined)[] {
  return messages.map(({ Body }) => Body);
}

/** An entry of SendMessageBatch, `Id` and body alike. */
export function entry(Id: string, rest: Partial<SendMessageBatchRequestEntry> = {}) {
  return { Id, MessageBody: Id, ...rest };
}
