import {
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { UpstreamError } from '../../errors.ts';
import type {
  BufferCounts,
  BufferedEvent,
  EventBuffer,
  HeldMessage,
  PutOutcome,
} from '../../events/ports.ts';
import { type AwsConnectionOptions, createConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { createCommand, judgeBuffer } from './buffer-fitness.ts';
import { type EventMessage, fromEventMessage, toEventMessage } from './event-message.ts';
import { MAX_BATCH_ENTRIES, sendInBatch } from './queue-batch.ts';
import { createReceiptCalls } from './receipt-calls.ts';

export interface EventBufferOptions extends AwsConnectionOptions {
  /** Of a FIFO queue (`.fifo`), which drops copies for five minutes, or of a standard queue. */
  readonly queueUrl: string;
  /** After so many holds an event is given up: what the queue's own redrive must not be before. */
  readonly maxHolds?: number | undefined;
}

/** What every queue took before the limit was raised. */
const OLD_LIMIT_BYTES = 262_144;
const MAX_BYTES = 1_048_576;
/** The longest that SQS lets a receive wait, in seconds. */
const MAX_WAIT_SECONDS = 20;
/** A receipt that nobody has. */
const NO_RECEIPT = 'bm9uZQ==';

/**
 * An SQS queue as the buffer between readers and publishers. The SDK makes one try per call; the
 * publisher that stands before `put` repeats, as before the bus.
 */
export function createEventBuffer(options: EventBufferOptions): EventBuffer & { close(): void } {
  const { queueUrl: QueueUrl, region, maxHolds = 10 } = options;
  const use = { queueUrl: QueueUrl, region, maxHolds };
  const isFifo = QueueUrl.endsWith('.fifo');
  const { endpoint = new URL(QueueUrl).origin } = options;
  // A receive that waits takes longer than any other call.
  const requestTimeoutMs = options.requestTimeoutMs + MAX_WAIT_SECONDS * 1000;
  const connection = createConnection({ ...options, endpoint, maxAttempts: 1 });
  const waiting = createConnection({ ...options, endpoint, requestTimeoutMs, maxAttempts: 1 });
  const client = new SQSClient({ ...connection.clientOptions, useQueueUrlAsEndpoint: false });
  const receiver = new SQSClient({ ...waiting.clientOptions, useQueueUrlAsEndpoint: false });
  const messages = new WeakMap<BufferedEvent, EventMessage>();
  /** Operators may change it: each check reads it again. */
  let maxBytes = OLD_LIMIT_BYTES;

  const callOf = (operation: string): AwsCall => ({
    service: 'sqs',
    operation,
    target: `queue "${QueueUrl}"`,
  });

  /** An event is written once, however often it is measured and sent. */
  function messageOf(event: BufferedEvent): EventMessage {
    const message = messages.get(event) ?? toEventMessage(event);
    messages.set(event, message);
    return message;
  }

  async function attributes(signal: AbortSignal | undefined) {
    const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
    const answer = await connection
      .call(callOf('GetQueueAttributes'), signal, (http) => client.send(command, http))
      .catch((error: unknown) => {
        throw error instanceof UpstreamError ? withCreateCommand(error, createCommand(use)) : error;
      });
    const found: Readonly<Record<string, string>> = answer.Attributes ?? {};
    const limit = Number(found['MaximumMessageSize']);
    maxBytes = limit > 0 ? Math.min(limit, MAX_BYTES) : OLD_LIMIT_BYTES;
    return found;
  }

  const receipts = createReceiptCalls({
    queueUrl: QueueUrl,
    client,
    connection,
    callOf,
  });

  return {
    maxEntries: MAX_BATCH_ENTRIES,
    get maxBytes() {
      return maxBytes;
    },
    bytesOf: (event) => messageOf(event).bytes,
    groupOf: () => '',

    async put(events, signal) {
      const call = callOf('SendMessageBatch');
      const Entries = events.map((event, index) => {
        const { body, deduplicationId, groupId } = messageOf(event);
        const entry = { Id: String(index), MessageBody: body };
        if (!isFifo) return entry;
        return { ...entry, MessageGroupId: groupId, MessageDeduplicationId: deduplicationId };
      });
      const failures = await sendInBatch({
        call,
        signal,
        repeatCalls: false,
        entries: Entries,
        send: (entries) =>
          connection.call(call, signal, (http) =>
            client.send(new SendMessageBatchCommand({ QueueUrl, Entries: entries }), http),
          ),
      });
      const [failure] = failures.values();
      const isWhole = failures.size === events.length && new Set(failures.values()).size === 1;
      if (failure !== undefined && isWhole) throw failure;
      return Entries.map(({ Id }) => outcomeOf(failures.get(Id)));
    },

    async hold({ max, seconds, waitSeconds }, signal) {
      const command = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: Math.min(MAX_BATCH_ENTRIES, max),
        VisibilityTimeout: seconds,
        WaitTimeSeconds: Math.min(MAX_WAIT_SECONDS, waitSeconds),
        MessageSystemAttributeNames: ['SentTimestamp', 'ApproximateReceiveCount'],
      });
      const answer = await waiting.call(callOf('ReceiveMessage'), signal, (http) =>
        receiver.send(command, http),
      );
      return (answer.Messages ?? []).flatMap((message) => heldMessageOf(message) ?? []);
    },

    ...receipts,

    async inspect(signal) {
      const found = await attributes(signal);
      return { counts: countsIn(found), ...judgeBuffer(found, use) };
    },

    async check(signal) {
      await attributes(signal);
    },

    async checkHolding(signal) {
      await attributes(signal);
      await checkReceiptCalls(receipts, signal);
    },

    close() {
      client.destroy();
      receiver.destroy();
      connection.close();
      waiting.close();
    },
  };
}

/** Who may not do these would publish the same events again and again. */
async function checkReceiptCalls(
  receipts: Pick<EventBuffer, 'settle' | 'giveBack'>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const [givenBack] = await receipts.giveBack([NO_RECEIPT], 0, signal);
  const [settled] = await receipts.settle([NO_RECEIPT], signal);
  for (const failure of [givenBack, settled]) {
    if (failure instanceof UpstreamError && failure.kind === 'systemic') throw failure;
  }
}

function countsIn(found: Readonly<Record<string, string>>): BufferCounts {
  return {
    waiting: Number(found['ApproximateNumberOfMessages'] ?? 0),
    held: Number(found['ApproximateNumberOfMessagesNotVisible'] ?? 0),
    delayed: Number(found['ApproximateNumberOfMessagesDelayed'] ?? 0),
  };
}

function withCreateCommand(failure: UpstreamError, command: string): UpstreamError {
  if (failure.code !== 'sqs_queue_missing') return failure;
  const { code, kind, service, status, correlationId } = failure;
  const facts = { code, kind, service, status, correlationId, cause: failure };
  return new UpstreamError(`${failure.message}, or make it: ${command}`, facts);
}

function outcomeOf(failure: UpstreamError | undefined): PutOutcome {
  if (failure === undefined) return { accepted: true };
  const { code, message, kind, throttled } = failure;
  return kind === 'reject'
    ? { accepted: false, code, message, kind, fault: 'entry' }
    : { accepted: false, code, message, kind, throttled };
}

function heldMessageOf({
  ReceiptHandle: receipt,
  Body = '',
  Attributes,
}: Message): HeldMessage | undefined {
  if (receipt === undefined) return undefined;
  return {
    receipt,
    content: fromEventMessage(Body),
    size: Body.length,
    bufferedAtMs: Number(Attributes?.SentTimestamp ?? 0),
    holds: Number(Attributes?.ApproximateReceiveCount ?? 1),
  };
}
