import { createHash, randomUUID } from 'node:crypto';
import type { JsonObject } from './answers.ts';
import { createDeduplication } from './deduplication.ts';
import { attributesMd5, md5 } from './message-digest.ts';
import {
  invalidValue,
  type MessageRules,
  type OutgoingMessage,
  sqsRefusal,
} from './message-rules.ts';
import { defaultAttributes } from './queue-attributes.ts';
import { createWaitingLine } from './waiting-line.ts';

export interface StoredMessage extends OutgoingMessage {
  readonly messageId: string;
  /** Its place among all that were sent. */
  readonly position: number;
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
  /** Puts a message that was received too often into the queue of this ARN. */
  readonly redrive: (arn: string, message: OutgoingMessage) => void;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type Queue = ReturnType<typeof createQueue>;

/** One SQS queue: visibility time-outs, receipts, FIFO groups and de-duplication. */
export function createQueue(options: QueueOptions) {
  const { name, now } = options;
  const isFifo = name.endsWith('.fifo');
  const createdAtSeconds = String(Math.floor(now() / 1000));
  const messages = new Map<string, StoredMessage>();
  const line = createWaitingLine<StoredMessage>(isFifo);
  const deduplication = createDeduplication<StoredMessage>();
  let lastSequence = 0;
  let settings = { ...defaultAttributes(isFifo), ...options.attributes };

  function rules(): MessageRules {
    return {
      isFifo,
      contentBasedDeduplication: settings['ContentBasedDeduplication'] === 'true',
      maxMessageBytes: Number(settings['MaximumMessageSize']),
    };
  }

  function send(outgoing: OutgoingMessage): StoredMessage {
    const sentAt = now();
    const deduplicationId = isFifo ? deduplicationIdOf(outgoing) : undefined;
    const scope = settings['DeduplicationScope'] === 'messageGroup' ? outgoing.groupId : undefined;
    const key = deduplicationId === undefined ? undefined : `${scope ?? ''} ${deduplicationId}`;
    const before = deduplication.find(key, sentAt);
    // The sender checks the hashes of what it sent just now.
    if (before !== undefined) return { ...before, ...digests(outgoing) };

    lastSequence += 1;
    const message = storedMessage(outgoing, {
      deduplicationId,
      position: lastSequence,
      sequenceNumber: isFifo ? String(lastSequence).padStart(20, '1') : undefined,
      sentAt,
      delaySeconds: outgoing.delaySeconds ?? Number(settings['DelaySeconds']),
    });
    messages.set(message.messageId, message);
    line.add(message, sentAt);
    deduplication.remember(key, message, sentAt);
    const [oldest] = messages.values();
    if (messages.size > options.keepMessages && oldest !== undefined) remove(oldest);
    return message;
  }

  function remove(message: StoredMessage): void {
    messages.delete(message.messageId);
    line.remove(message);
  }

  /** Takes up to `max` visible messages and hides them; moves those that were received too often. */
  function receive(max: number, visibilitySeconds = Number(settings['VisibilityTimeout'])) {
    const at = now();
    const redrive = redrivePolicyOf(settings['RedrivePolicy']);
    const received: StoredMessage[] = [];
    for (;;) {
      const taken = line.take(max - received.length, at, at + visibilitySeconds * 1000);
      for (const message of taken) {
        if (redrive !== undefined && message.receiveCount >= redrive.maxReceiveCount) {
          remove(message);
          options.redrive(redrive.deadLetterTargetArn, message);
          continue;
        }
        message.receiveCount += 1;
        message.firstReceivedAt ??= at;
        message.receipt = receiptOf(message.messageId);
        received.push(message);
      }
      if (taken.length === 0 || received.length >= max) return received;
    }
  }

  return {
    name,
    rules,
    send,
    receive,

    /** Deleting twice is fine; on a FIFO queue the receipt must still hold. */
    delete(receipt: string): void {
      const message = messages.get(messageIdOf(receipt));
      if (message === undefined) return;
      if (isFifo && (message.receipt !== receipt || message.visibleAt <= now())) {
        throw invalidValue(receipt, 'ReceiptHandle', 'The receipt handle has expired.');
      }
      remove(message);
    },

    changeVisibility(receipt: string, seconds: number): void {
      checkVisibility(seconds);
      const message = messages.get(messageIdOf(receipt));
      // The time may be over, as long as nobody else has the message meanwhile.
      if (message === undefined || message.receipt !== receipt) {
        throw notInFlight(receipt);
      }
      line.hide(message, now() + seconds * 1000, now());
    },

    configure(attributes: Readonly<Record<string, string>>): void {
      redrivePolicyOf(attributes['RedrivePolicy']);
      settings = { ...settings, ...attributes };
    },

    attributes(): JsonObject {
      return {
        ...settings,
        QueueArn: options.arn,
        ...counts(messages.values(), now()),
        CreatedTimestamp: createdAtSeconds,
        LastModifiedTimestamp: createdAtSeconds,
      };
    },

    /** Oldest first. */
    messages: () => [...messages.values()],
    purge(): void {
      messages.clear();
      line.clear();
      deduplication.clear();
    },
  };
}

function storedMessage(
  outgoing: OutgoingMessage,
  sent: Pick<StoredMessage, 'deduplicationId' | 'position' | 'sequenceNumber' | 'sentAt'> & {
    readonly delaySeconds: number;
  },
): StoredMessage {
  return {
    ...outgoing,
    ...sent,
    ...digests(outgoing),
    messageId: randomUUID(),
    visibleAt: sent.sentAt + sent.delaySeconds * 1000,
    receiveCount: 0,
    firstReceivedAt: undefined,
    receipt: undefined,
  };
}

function digests({ body, attributes }: OutgoingMessage) {
  return {
    bodyMd5: md5(body),
    attributesMd5: Object.keys(attributes).length === 0 ? undefined : attributesMd5(attributes),
  };
}

function notInFlight(receipt: string) {
  const text = `Value ${receipt} for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change.`;
  return sqsRefusal('MessageNotInflight', text, 'AWS.SimpleQueueService.MessageNotInflight');
}

function checkVisibility(seconds: number): void {
  if (seconds >= 0 && seconds <= 43_200) return;
  const reason = 'VisibilityTimeout must be an integer between 0 and 43200.';
  throw invalidValue(seconds, 'VisibilityTimeout', reason);
}

function deduplicationIdOf({ deduplicationId, body }: OutgoingMessage): string {
  return deduplicationId ?? createHash('sha256').update(body).digest('hex');
}

/** @throws as SQS refuses a policy that it cannot read */
export function redrivePolicyOf(text: string | undefined) {
  if (text === undefined || text === '') return undefined;
  const policy = asObject(text);
  const { deadLetterTargetArn } = policy;
  const maxReceiveCount = Number(policy['maxReceiveCount']);
  const isCount = Number.isInteger(maxReceiveCount) && maxReceiveCount >= 1;
  if (typeof deadLetterTargetArn === 'string' && isCount && maxReceiveCount <= 1000) {
    return { deadLetterTargetArn, maxReceiveCount };
  }
  throw invalidValue(
    text,
    'RedrivePolicy',
    'maxReceiveCount must be an integer between 1 and 1000.',
  );
}

function asObject(text: string): JsonObject {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null) return value as JsonObject;
  } catch {
    // Refused below.
  }
  throw invalidValue(text, 'RedrivePolicy', 'Redrive policy is not a valid JSON map.');
}

/** Another one each time that a message is received. */
function receiptOf(messageId: string): string {
  return Buffer.from(`${messageId} ${randomUUID()}`).toString('base64');
}

function messageIdOf(receipt: string): string {
  const [messageId = '', nonce] = Buffer.from(receipt, 'base64').toString().split(' ');
  if (nonce !== undefined) return messageId;
  const text = `The input receipt handle "${receipt}" is not a valid receipt handle.`;
  throw sqsRefusal('ReceiptHandleIsInvalid', text);
}

function counts(messages: Iterable<StoredMessage>, at: number): JsonObject {
  let [visible, hidden, delayed] = [0, 0, 0];
  for (const { visibleAt, receiveCount } of messages) {
    if (visibleAt <= at) visible += 1;
    else if (receiveCount === 0) delayed += 1;
    else hidden += 1;
  }
  return {
    ApproximateNumberOfMessages: String(visible),
    ApproximateNumberOfMessagesNotVisible: String(hidden),
    ApproximateNumberOfMessagesDelayed: String(delayed),
  };
}
