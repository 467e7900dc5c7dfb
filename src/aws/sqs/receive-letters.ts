import type { ReceiveMessageCommandInput, ReceiveMessageResult } from '@aws-sdk/client-sqs';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { fromMessage } from './letter-message.ts';
import { MAX_BATCH_ENTRIES } from './queue-batch.ts';

export interface ReceiveLettersOptions {
  /** A call that waits for messages would not run into its time-out. */
  readonly mayWait: boolean;
  /** One call of ReceiveMessage. @throws UpstreamError */
  readonly receive: (
    request: Omit<ReceiveMessageCommandInput, 'QueueUrl'>,
    signal: AbortSignal | undefined,
  ) => Promise<ReceiveMessageResult>;
}

export function createReceiveLetters(options: ReceiveLettersOptions): DeadLetterQueue['receive'] {
  async function receiveSome(
    max: number,
    visibilitySeconds: number,
    waitSeconds: number,
    signal: AbortSignal | undefined,
  ): Promise<readonly ReceivedLetter[]> {
    const request = {
      MaxNumberOfMessages: Math.min(MAX_BATCH_ENTRIES, max),
      VisibilityTimeout: visibilitySeconds,
      WaitTimeSeconds: waitSeconds,
      MessageSystemAttributeNames: ['SentTimestamp' as const, 'ApproximateReceiveCount' as const],
    };
    const answer = await options.receive(request, signal);
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

  return async ({ max, visibilitySeconds }, signal) => {
    const received: ReceivedLetter[] = [];
    while (received.length < max) {
      // The first one waits a moment: SQS asks all of its servers then.
      const waitSeconds = received.length === 0 && options.mayWait ? 1 : 0;
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
  };
}
