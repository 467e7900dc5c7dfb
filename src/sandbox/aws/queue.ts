import { createHash, randomUUID } from 'node:crypto';
import type { JsonObject } from './answers.ts';
import { attributesMd5, md5 } from './message-digest.ts';
import {
  invalidValue,
  type MessageRules,
  type OutgoingMessage,
  sqsRefusal,
} from './message-rules.ts';

const DEDUPLICATION_MS = 300_000;

export interface StoredMessage extends OutgoingMessage {
  readonly messageId: string;
  readonly bodyMd5: string;
  readonly attributesMd5: string | undefined;
  /** FIFO queues only. */
  readonly sequenceNumber: string | undefined;
  /** Epoch milliseconds. */
  readonly sentAt: number;
  visibleAt: number;
  receiveCount: number;
  firstReceivedAt: number | undefined;
  receipt: string | undefined;
}

export interface QueueOptions {
  readonly name: string;
  readonly arn: string;
  readonly attributes: Readonly<Record<string, string>>;
  /** The oldest messages go when there are more, as if their retention had ended. */
  readonly keepMessages: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type Queue = ReturnType<typeof createQueue>;

/** One SQS queue: visibility time-outs, receipts, FIFO groups and de-duplication. */
export function createQueue(options: QueueOptions) {
  const { name, now } = options;
  const isFifo = name.endsWith('.fifo');
  const createdAt = now();
  const messages = new Map<string, StoredMessage>();
  const sentOnce = new Map<string, { message: StoredMessage; until: number }>();
  let lastSequence = 0;
  let settings: Record<string, string> = {
    VisibilityTimeout: '30',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    DelaySeconds: '0',
    ReceiveMessageWaitTimeSeconds: '0',
    SqsManagedSseEnabled: 'true',
    ...(isFifo ? { FifoQueue: 'true', ContentBasedDeduplication: 'false' } : {}),
    ...options.attributes,
  };

  function rules(): MessageRules {
    return {
      isFifo,
      contentBasedDeduplication: settings['ContentBasedDeduplication'] === 'true',
      maxMessageBytes: Number(settings['MaximumMessageSize']),
    };
  }

  function send(outgoing: OutgoingMessage): StoredMessage {
    const sentAt = now();
    const { body, attributes } = outgoing;
    for (const [id, { until }] of sentOnce) {
      if (until > sentAt) break;
      sentOnce.delete(id);
    }
    const deduplicationId = isFifo
      ? (outgoing.deduplicationId ?? createHash('sha256').update(body).digest('hex'))
      : undefined;
    const before = deduplicationId === undefined ? undefined : sentOnce.get(deduplicationId);
    if (before !== undefined) return before.message;

    lastSequence += 1;
    const delaySeconds = outgoing.delaySeconds ?? Number(settings['DelaySeconds']);
    const message: StoredMessage = {
      ...outgoing,
      deduplicationId,
      messageId: randomUUID(),
      bodyMd5: md5(body),
      attributesMd5: Object.keys(attributes).length === 0 ? undefined : attributesMd5(attributes),
      sequenceNumber: isFifo ? String(lastSequence).padStart(20, '1') : undefined,
      sentAt,
      visibleAt: sentAt + delaySeconds * 1000,
      receiveCount: 0,
      firstReceivedAt: undefined,
      receipt: undefined,
    };
    messages.set(message.messageId, message);
    if (deduplicationId !== undefined) {
      sentOnce.set(deduplicationId, { message, until: sentAt + DEDUPLICATION_MS });
    }
    const [oldest] = messages.keys();
    if (messages.size > options.keepMessages && oldest !== undefined) messages.delete(oldest);
    return message;
  }

  /** Takes up to `max` visible messages and hides them. */
  function receive(max: number, visibilitySeconds = Number(settings['VisibilityTimeout'])) {
    const at = now();
    const received: StoredMessage[] = [];
    const blocked = new Set<string | undefined>();
    for (const message of messages.values()) {
      if (received.length >= max) break;
      if (isFifo && blocked.has(message.groupId)) continue;
      if (message.visibleAt > at) {
        // A FIFO group waits for its message that is under way.
        blocked.add(message.groupId);
        continue;
      }
      message.visibleAt = at + visibilitySeconds * 1000;
      message.receiveCount += 1;
      message.firstReceivedAt ??= at;
      message.receipt = Buffer.from(`${message.messageId} ${randomUUID()}`).toString('base64');
      received.push(message);
    }
    return received;
  }

  function find(receipt: string): StoredMessage | undefined {
    const [messageId = '', nonce] = Buffer.from(receipt, 'base64').toString().split(' ');
    if (nonce === undefined) {
      const text = `The input receipt handle "${receipt}" is not a valid receipt handle.`;
      throw sqsRefusal('ReceiptHandleIsInvalid', text);
    }
    return messages.get(messageId);
  }

  return {
    name,
    rules,
    send,
    receive,

    /** Deleting twice is fine; on a FIFO queue the receipt must still hold. */
    delete(receipt: string): void {
      const message = find(receipt);
      if (message === undefined) return;
      if (isFifo && (message.receipt !== receipt || message.visibleAt <= now())) {
        throw invalidValue(receipt, 'ReceiptHandle', 'The receipt handle has expired.');
      }
      messages.delete(message.messageId);
    },

    changeVisibility(receipt: string, seconds: number): void {
      if (!(seconds >= 0 && seconds <= 43_200)) {
        const reason = 'VisibilityTimeout must be an integer between 0 and 43200.';
        throw invalidValue(seconds, 'VisibilityTimeout', reason);
      }
      const message = find(receipt);
      // The time may be over, as long as nobody else has the message meanwhile.
      if (message === undefined || message.receipt !== receipt) {
        const text = `Value ${receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`;
        throw sqsRefusal('MessageNotInflight', text, 'AWS.SimpleQueueService.MessageNotInflight');
      }
      message.visibleAt = now() + seconds * 1000;
    },

    configure(attributes: Readonly<Record<string, string>>): void {
      settings = { ...settings, ...attributes };
    },

    attributes(): JsonObject {
      const at = now();
      let [visible, hidden, delayed] = [0, 0, 0];
      for (const { visibleAt, receiveCount } of messages.values()) {
        if (visibleAt <= at) visible += 1;
        else if (receiveCount === 0) delayed += 1;
        else hidden += 1;
      }
      return {
        ...settings,
        QueueArn: options.arn,
        ApproximateNumberOfMessages: String(visible),
        ApproximateNumberOfMessagesNotVisible: String(hidden),
        ApproximateNumberOfMessagesDelayed: String(delayed),
        CreatedTimestamp: String(Math.floor(createdAt / 1000)),
        LastModifiedTimestamp: String(Math.floor(createdAt / 1000)),
      };
    },

    /** Oldest first. */
    messages: () => [...messages.values()],
    purge(): void {
      messages.clear();
      sentOnce.clear();
    },
  };
}
