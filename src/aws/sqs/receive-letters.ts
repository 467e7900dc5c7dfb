import type {
  Message,
  ReceiveMessageCommandInput,
  ReceiveMessageResult,
} from '@aws-sdk/client-sqs';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { fromMessage, type ReadingBudget } from './letter-message.ts';
import { MAX_BATCH_ENTRIES } from './queue-batch.ts';

export interface ReceiveLettersOptions {
  /** A call that waits for messages would not run into its time-out. */
  readonly mayWait: boolean;
  /** What one letter may unpack to. */
  readonly maxUnpackedBytes: number;
  /** One call of ReceiveMessage. @throws UpstreamError */
  readonly receive: (
    request: Omit<ReceiveMessageCommandInput, 'QueueUrl'>,
    signal: AbortSignal | undefined,
  ) => Promise<ReceiveMessageResult>;
  readonly release: DeadLetterQueue['release'];
  /** The message behind a letter. */
  readonly onReceived: (letter: ReceivedLetter, message: Message) => void;
}

/** Of the letters of one batch, packed and unpacked: objects in memory take many times as much. */
const BATCH_BYTES = 4_194_304;

export function createReceiveLetters(options: ReceiveLettersOptions): DeadLetterQueue['receive'] {
  async function read(message: Message, receipt: string, budget: ReadingBudget) {
    const body = message.Body ?? '';
    const letter: ReceivedLetter = {
      receipt,
      messageId: message.MessageId ?? '',
      sentAt: new Date(Number(message.Attributes?.SentTimestamp ?? 0)),
      receiveCount: Number(message.Attributes?.ApproximateReceiveCount ?? 1),
      body,
      letter: await fromMessage(body, budget),
    };
    options.onReceived(letter, message);
    return letter;
  }

  /** One call's letters; those beyond the budget are given back. */
  async function receiveSome(
    max: number,
    visibilitySeconds: number,
    waitSeconds: number,
    budget: ReadingBudget,
    signal: AbortSignal | undefined,
  ): Promise<readonly ReceivedLetter[]> {
    const request = {
      MaxNumberOfMessages: Math.min(MAX_BATCH_ENTRIES, max),
      VisibilityTimeout: visibilitySeconds,
      WaitTimeSeconds: waitSeconds,
      MessageAttributeNames: ['All'],
      MessageSystemAttributeNames: [
        'SentTimestamp' as const,
        'ApproximateReceiveCount' as const,
        'MessageGroupId' as const,
      ],
    };
    const answer = await options.receive(request, signal);
    const received: ReceivedLetter[] = [];
    const unread: string[] = [];
    for (const message of answer.Messages ?? []) {
      const receipt = message.ReceiptHandle;
      if (receipt === undefined) continue;
      if (budget.leftBytes > 0) received.push(await read(message, receipt, budget));
      else unread.push(receipt);
    }
    // What cannot be given back comes back by itself.
    if (unread.length > 0) await options.release(unread).catch(() => undefined);
    return received;
  }

  return async ({ max, visibilitySeconds }, signal) => {
    const { maxUnpackedBytes } = options;
    const budget = { maxUnpackedBytes, leftBytes: BATCH_BYTES };
    const received: ReceivedLetter[] = [];
    while (received.length < max && budget.leftBytes > 0) {
      // The first one waits a moment: SQS asks all of its servers then.
      const waitSeconds = received.length === 0 && options.mayWait ? 1 : 0;
      const left = max - received.length;
      let some: readonly ReceivedLetter[];
      try {
        some = await receiveSome(left, visibilitySeconds, waitSeconds, budget, signal);
      } catch (error) {
        // What is received already would be hidden from everybody for a while.
        if (received.length === 0) throw error;
        break;
      }
      if (some.length === 0) break;
      received.push(...some);
    }
    return received;
  };
}
