import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { UpstreamError } from '../../errors.ts';
import type { DeadLetterQueue } from '../../events/ports.ts';
import { type AwsConnectionOptions, createConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { MAX_BATCH_ENTRIES, sendInBatch } from './queue-batch.ts';
import { createReceiveLetters } from './receive-letters.ts';
import { createSendLetters, OLD_LIMIT_BYTES } from './send-letters.ts';

export interface DeadLetterQueueOptions extends AwsConnectionOptions {
  /**
   * Of a standard queue, or of a FIFO queue (`.fifo`). Without an endpoint its host is called: that
   * of a VPC endpoint, or of another region.
   */
  readonly queueUrl: string;
}

const MAX_BYTES = 1_048_576;

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
  const { endpoint = new URL(QueueUrl).origin } = options;
  const connection = createConnection({ ...options, endpoint, maxAttempts: 1 });
  // Otherwise the SDK remarks on the console that the two differ.
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
    maxMessageBytes = limit > 0 ? Math.min(limit, MAX_BYTES) : OLD_LIMIT_BYTES;
    return answer.Attributes ?? {};
  }

  /** Deletes or releases; all are tried before the first failure is thrown. */
  async function settle(
    operation: 'DeleteMessageBatch' | 'ChangeMessageVisibilityBatch',
    receipts: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const call = callOf(operation);
    const failures: UpstreamError[] = [];
    for (let from = 0; from < receipts.length; from += MAX_BATCH_ENTRIES) {
      const left = await sendInBatch({
        call,
        signal,
        repeatCalls: true,
        entries: receipts.slice(from, from + MAX_BATCH_ENTRIES).map((ReceiptHandle, index) => ({
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

  return {
    send: createSendLetters({
      call: callOf('SendMessageBatch'),
      isFifo,
      async maxMessageBytes(signal) {
        if (maxMessageBytes === undefined) await attributes(signal);
        return maxMessageBytes ?? OLD_LIMIT_BYTES;
      },
      send: (Entries, signal) =>
        connection.call(callOf('SendMessageBatch'), signal, (http) =>
          client.send(new SendMessageBatchCommand({ QueueUrl, Entries }), http),
        ),
    }),

    receive: createReceiveLetters({
      mayWait: options.requestTimeoutMs >= 3000,
      receive: (request, signal) =>
        connection.call(callOf('ReceiveMessage'), signal, (http) =>
          client.send(new ReceiveMessageCommand({ QueueUrl, ...request }), http),
        ),
    }),

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
