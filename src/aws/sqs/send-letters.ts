import type { SendMessageBatchRequestEntry } from '@aws-sdk/client-sqs';
import { UpstreamError } from '../../errors.ts';
import type { DeadLetterQueue } from '../../events/ports.ts';
import { splitIntoBatches } from '../../lib/batches.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { type LetterMessage, toMessage } from './letter-message.ts';
import { type BatchAnswer, MAX_BATCH_ENTRIES, sendInBatch } from './queue-batch.ts';

export interface SendLettersOptions {
  readonly call: AwsCall;
  readonly isFifo: boolean;
  /** What one letter may unpack to. */
  readonly maxUnpackedBytes: number;
  /** The largest message that the queue takes, in bytes. @throws UpstreamError */
  readonly maxMessageBytes: (signal: AbortSignal | undefined) => Promise<number>;
  /** One call of SendMessageBatch. @throws UpstreamError */
  readonly send: (
    entries: SendMessageBatchRequestEntry[],
    signal: AbortSignal | undefined,
  ) => Promise<BatchAnswer>;
}

/** What every queue took before the limit was raised; a batch may be that large anywhere. */
export const OLD_LIMIT_BYTES = 262_144;
/** Of every letter on a FIFO queue. */
export const GROUP = 'eventbridge-failures';

interface Outgoing {
  readonly index: number;
  readonly message: LetterMessage;
}

export function createSendLetters(options: SendLettersOptions): DeadLetterQueue['send'] {
  const { call, isFifo } = options;

  function sendBatch(
    batch: readonly Outgoing[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, UpstreamError>> {
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
      send: (entries) => options.send(entries, signal),
    });
  }

  return async (letters, signal) => {
    const answers: (Error | undefined)[] = letters.map(() => undefined);
    const outgoing: Outgoing[] = [];
    let maxMessageBytes: number;
    try {
      maxMessageBytes = await options.maxMessageBytes(signal);
      for (const [index, letter] of letters.entries()) {
        outgoing.push({
          index,
          message: await toMessage(letter, maxMessageBytes, options.maxUnpackedBytes),
        });
      }
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      return answers.fill(error);
    }
    const batches = splitIntoBatches(outgoing, {
      maxItems: MAX_BATCH_ENTRIES,
      maxBytes: Math.max(OLD_LIMIT_BYTES, maxMessageBytes),
      bytesOf: ({ message }) => message.bytes,
    });
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
  };
}

/** The call failed, not some of its entries: each has the very same error. */
function isWhole(
  failures: ReadonlyMap<string, UpstreamError>,
  batch: readonly Outgoing[],
): boolean {
  return failures.size === batch.length && new Set(failures.values()).size === 1;
}
