import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { UpstreamError } from '../../errors.ts';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { splitIntoBatches } from '../../lib/batches.ts';
import { type AwsConnectionOptions, createConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { fromMessage, type LetterMessage, toMessage } from './letter-message.ts';
import { sendInBatch } from './queue-batch.ts';

export interface DeadLetterQueueOptions extends AwsConnectionOptions {
  /** Of a standard queue, or of a FIFO queue (`.fifo`). */
  readonly queueUrl: string;
}

const MAX_BATCH = 10;
const MIB = 1_048_576;
/** What every queue took before the limit was raised; a batch may be that large anywhere. */
const OLD_LIMIT = 262_144;
const GROUP = 'eventbridge-failures';

/**
 * An SQS queue of dead letters. The SDK makes one try per call. Single entries that SQS failed are
 * repeated here; a call that failed as a whole is repeated by the worker when letters were sent
 * (the journal keeps them), and here when they were deleted or released.
 *
 * On a FIFO queue a letter that is sent twice within five minutes is stored once.
 */
export function createDeadLetterQueue(
  options: DeadLetterQueueOptions,
): DeadLetterQueue & { close(): void } {
  const { queueUrl: QueueUrl } = options;
  const connection = createConnection({ ...options, maxAttempts: 1 });
  // Otherwise the address in QueueUrl wins over AWS_ENDPOINT_URL.
  const client = new SQSClient({ ...connection.clientOptions, useQueueUrlAsEndpoint: false });
  const isFifo = QueueUrl.endsWith('.fifo');
  /** Operators may change it: each check reads it again. */
  let maxMessageBytes: number | undefined;

  const callOf = (operation: string): AwsCall => ({
    service: 'sqs',
    operation,
    target: `queue "${QueueUrl}"`,
  });

  async function attributes(signal: AbortSignal | undefined) {
    const command = new GetQueueAttributesCommand({
      QueueUrl,
      AttributeNames: [
        'QueueArn',
        'MaximumMessageSize',
        'ApproximateNumberOfMessages',
        'ApproximateNumberOfMessagesNotVisible',
        'ApproximateNumberOfMessagesDelayed',
      ],
    });
    const answer = await connection.call(callOf('GetQueueAttributes'), signal, (http) =>
      client.send(command, http),
    );
    const limit = Number(answer.Attributes?.MaximumMessageSize);
    maxMessageBytes = limit > 0 ? Math.min(limit, MIB) : OLD_LIMIT;
    return answer.Attributes ?? {};
  }

  function sendBatch(
    batch: readonly Outgoing[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, UpstreamError>> {
    const call = callOf('SendMessageBatch');
    return sendInBatch({
      call,
      signal,
      repeatCalls: false,
      entries: batch.map(({ index, message }) => ({
        Id: String(index),
        MessageBody: message.body,
        MessageAttributes: message.attributes,
        ...(isFifo
          ? { MessageGroupId: GROUP, MessageDeduplicationId: message.deduplicationId }
          : {}),
      })),
      send: (Entries) =>
        connection.call(call, signal, (http) =>
          client.send(new SendMessageBatchCommand({ QueueUrl, Entries }), http),
        ),
    });
  }

  /** Deletes or releases; all are tried before the first failure is thrown. */
  async function settle(
    operation: 'DeleteMessageBatch' | 'ChangeMessageVisibilityBatch',
    receipts: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const call = callOf(operation);
    const failures: UpstreamError[] = [];
    for (let from = 0; from < receipts.length; from += MAX_BATCH) {
      const left = await sendInBatch({
        call,
        signal,
        repeatCalls: true,
        entries: receipts.slice(from, from + MAX_BATCH).map((ReceiptHandle, index) => ({
          Id: String(index),
          ReceiptHandle,
        })),
        send: (entries) =>
          connection.call(call, signal, (http) =>
            operation === 'DeleteMessageBatch'
              ? client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries: entries }), http)
              : client.send(
                  new ChangeMessageVisibilityBatchCommand({
                    QueueUrl,
                    Entries: entries.map((entry) => ({ ...entry, VisibilityTimeout: 0 })),
                  }),
                  http,
                ),
          ),
      });
      failures.push(...left.values());
    }
    const [first] = failures;
    if (first !== undefined) throw first;
  }

  async function receiveSome(
    max: number,
    visibilitySeconds: number,
    waitSeconds: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ReceivedLetter[]> {
    const command = new ReceiveMessageCommand({
      QueueUrl,
      MaxNumberOfMessages: Math.min(MAX_BATCH, max),
      VisibilityTimeout: visibilitySeconds,
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
    });
    const answer = await connection.call(callOf('ReceiveMessage'), signal, (http) =>
      client.send(command, http),
    );
    const received: ReceivedLetter[] = [];
    for (const message of answer.Messages ?? []) {
      if (message.ReceiptHandle === undefined) continue;
      received.push({
        receipt: message.ReceiptHandle,
        messageId: message.MessageId ?? '',
        sentAt: new Date(Number(message.Attributes?.SentTimestamp ?? 0)),
        receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
        letter: await fromMessage(message.Body ?? ''),
      });
    }
    return received;
  }

  return {
    async send(letters, signal) {
      const answers: (Error | undefined)[] = letters.map(() => undefined);
      const outgoing: Outgoing[] = [];
      try {
        if (maxMessageBytes === undefined) await attributes(signal);
        const limit = maxMessageBytes ?? OLD_LIMIT;
        for (const [index, letter] of letters.entries()) {
          outgoing.push({ index, message: await toMessage(letter, limit) });
        }
      } catch (error) {
        if (!(error instanceof UpstreamError)) throw error;
        return answers.fill(error);
      }
      const maxBytes = Math.max(OLD_LIMIT, maxMessageBytes ?? 0);
      const limits = {
        maxItems: MAX_BATCH,
        maxBytes,
        bytesOf: (one: Outgoing) => one.message.bytes,
      };
      const batches = splitIntoBatches(outgoing, limits);
      for (let batch = batches.shift(); batch !== undefined; batch = batches.shift()) {
        const failures = await sendBatch(batch, signal);
        const [failure] = failures.values();
        if (failure?.kind === 'reject' && batch.length > 1 && isWhole(failures, batch)) {
          // Only one of them is to blame.
          batches.unshift(...batch.map((one) => [one]));
          continue;
        }
        for (const { index } of batch) answers[index] = failures.get(String(index));
        if (failure !== undefined && failure.kind !== 'reject' && isWhole(failures, batch)) {
          // The others would meet the same.
          for (const { index } of batches.flat()) answers[index] = failure;
          break;
        }
      }
      return answers;
    },

    async receive({ max, visibilitySeconds }, signal) {
      const received: ReceivedLetter[] = [];
      while (received.length < max) {
        // The first one waits a moment: SQS asks all of its servers then.
        const waitSeconds = received.length === 0 && options.requestTimeoutMs >= 3000 ? 1 : 0;
        let some: readonly ReceivedLetter[];
        try {
          some = await receiveSome(max - received.length, visibilitySeconds, waitSeconds, signal);
        } catch (error) {
          // What is received already would be hidden from everybody for a while.
          if (received.length === 0) throw error;
          break;
        }
        if (some.length === 0) break;
        received.push(...some);
      }
      return received;
    },

    delete: (receipts, signal) => settle('DeleteMessageBatch', receipts, signal),
    release: (receipts, signal) => settle('ChangeMessageVisibilityBatch', receipts, signal),

    async counts(signal) {
      const found = await attributes(signal);
      return {
        visible: Number(found.ApproximateNumberOfMessages ?? 0),
        inFlight: Number(found.ApproximateNumberOfMessagesNotVisible ?? 0),
        delayed: Number(found.ApproximateNumberOfMessagesDelayed ?? 0),
      };
    },

    async check(signal) {
      await attributes(signal);
    },

    close() {
      client.destroy();
      connection.close();
    },
  };
}

interface Outgoing {
  readonly index: number;
  readonly message: LetterMessage;
}

/** The call failed, not some of its entries: each has the very same error. */
function isWhole(
  failures: ReadonlyMap<string, UpstreamError>,
  batch: readonly Outgoing[],
): boolean {
  return failures.size === batch.length && new Set(failures.values()).size === 1;
}
