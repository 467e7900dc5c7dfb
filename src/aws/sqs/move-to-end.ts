import { randomUUID } from 'node:crypto';
import type { Message, SendMessageBatchRequestEntry } from '@aws-sdk/client-sqs';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { splitIntoBatches } from '../../lib/batches.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { type BatchAnswer, MAX_BATCH_ENTRIES, sendInBatch } from './queue-batch.ts';
import { GROUP, OLD_LIMIT_BYTES } from './send-letters.ts';

export interface MoveToEndOptions {
  readonly call: AwsCall;
  readonly messageOf: (letter: ReceivedLetter) => Message | undefined;
  /** One call of SendMessageBatch. @throws UpstreamError */
  readonly send: (
    entries: SendMessageBatchRequestEntry[],
    signal: AbortSignal | undefined,
  ) => Promise<BatchAnswer>;
  readonly delete: DeadLetterQueue['delete'];
  readonly release: DeadLetterQueue['release'];
}

interface Moving {
  readonly receipt: string;
  readonly entry: SendMessageBatchRequestEntry;
}

/** Sent before it is deleted: a crash between the two leaves a message twice, never none. */
export function createMoveToEnd(
  options: MoveToEndOptions,
): NonNullable<DeadLetterQueue['moveToEnd']> {
  return async (letters, signal) => {
    const left = new Set(letters.map(({ receipt }) => receipt));
    try {
      const batches = splitIntoBatches(letters.map(movingOf), {
        maxItems: MAX_BATCH_ENTRIES,
        maxBytes: OLD_LIMIT_BYTES,
        bytesOf: ({ entry }) => bytesOf(entry),
      });
      for (const batch of batches) {
        const failures = await sendInBatch({
          call: options.call,
          signal,
          // Sent twice under one de-duplication id it is stored once.
          repeatCalls: true,
          entries: batch.map(({ entry }) => entry),
          send: (entries) => options.send(entries, signal),
        });
        const sent = batch.filter(({ entry }) => !failures.has(entry.Id ?? ''));
        const receipts = sent.map(({ receipt }) => receipt);
        if (receipts.length > 0) await options.delete(receipts, signal);
        for (const receipt of receipts) left.delete(receipt);
        const [failure] = failures.values();
        if (failure !== undefined) throw failure;
      }
    } finally {
      // With no signal: a caller that has gone must not leave letters hidden.
      if (left.size > 0) await options.release([...left]).catch(() => undefined);
    }
  };

  function movingOf(letter: ReceivedLetter, index: number): Moving {
    const { Attributes, MessageAttributes = {} } = options.messageOf(letter) ?? {};
    const attributes = Object.entries(MessageAttributes).map(
      ([name, { DataType, StringValue, BinaryValue }]) =>
        [name, { DataType, StringValue, BinaryValue }] as const,
    );
    return {
      receipt: letter.receipt,
      entry: {
        Id: String(index),
        MessageBody: letter.body,
        MessageAttributes: Object.fromEntries(attributes),
        MessageGroupId: Attributes?.MessageGroupId ?? GROUP,
        // Under its own id SQS would swallow it within five minutes.
        MessageDeduplicationId: randomUUID(),
      },
    };
  }
}

function bytesOf({ MessageBody = '', MessageAttributes = {} }: SendMessageBatchRequestEntry) {
  let bytes = Buffer.byteLength(MessageBody);
  for (const [name, value] of Object.entries(MessageAttributes)) {
    const { DataType = '', StringValue = '', BinaryValue } = value;
    bytes += Buffer.byteLength(name + DataType + StringValue) + (BinaryValue?.length ?? 0);
  }
  return bytes;
}
