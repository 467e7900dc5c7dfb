import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  type SendMessageBatchRequestEntry,
  SQSClient,
} from '@aws-sdk/client-sqs';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { type AwsConnectionOptions, createConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { MAX_UNPACKED_BYTES } from './letter-message.ts';
import { createMoveToEnd } from './move-to-end.ts';
import { createSettle } from './queue-batch.ts';
import { createReceiveLetters } from './receive-letters.ts';
import { createSendLetters, OLD_LIMIT_BYTES } from './send-letters.ts';

export interface DeadLetterQueueOptions extends AwsConnectionOptions {
  /**
   * Of a standard queue, or of a FIFO queue (`.fifo`). Without an endpoint its host is called: that
   * of a VPC endpoint, or of another region.
   */
  readonly queueUrl: string;
  /**
   * Longest line of the stream: letters may unpack to twice as much, which is such a line with its
   * quotes escaped. Default 1 MiB.
   */
  readonly maxLineBytes?: number | undefined;
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
  const maxUnpackedBytes = Math.min(MAX_UNPACKED_BYTES, 2 * (options.maxLineBytes ?? 1_048_576));
  const messages = new WeakMap<ReceivedLetter, Message>();
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

  const sendEntries = (Entries: SendMessageBatchRequestEntry[], signal: AbortSignal | undefined) =>
    connection.call(callOf('SendMessageBatch'), signal, (http) =>
      client.send(new SendMessageBatchCommand({ QueueUrl, Entries }), http),
    );
  const remove = createSettle(callOf('DeleteMessageBatch'), (Entries, signal) =>
    connection.call(callOf('DeleteMessageBatch'), signal, (http) =>
      client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), http),
    ),
  );
  const release = createSettle(callOf('ChangeMessageVisibilityBatch'), (entries, signal) =>
    connection.call(callOf('ChangeMessageVisibilityBatch'), signal, (http) => {
      const Entries = entries.map((entry) => ({ ...entry, VisibilityTimeout: 0 }));
      return client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), http);
    }),
  );

  return {
    send: createSendLetters({
      call: callOf('SendMessageBatch'),
      isFifo,
      maxUnpackedBytes,
      async maxMessageBytes(signal) {
        if (maxMessageBytes === undefined) await attributes(signal);
        return maxMessageBytes ?? OLD_LIMIT_BYTES;
      },
      send: sendEntries,
    }),

    receive: createReceiveLetters({
      mayWait: options.requestTimeoutMs >= 3000,
      maxUnpackedBytes,
      release,
      onReceived: (letter, message) => void messages.set(letter, message),
      receive: (request, signal) =>
        connection.call(callOf('ReceiveMessage'), signal, (http) =>
          client.send(new ReceiveMessageCommand({ QueueUrl, ...request }), http),
        ),
    }),

    delete: remove,
    release,
    moveToEnd: isFifo
      ? createMoveToEnd({
          call: callOf('SendMessageBatch'),
          messageOf: (letter) => messages.get(letter),
          send: sendEntries,
          delete: remove,
          release,
        })
      : undefined,

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
