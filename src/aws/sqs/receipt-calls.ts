import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import { UpstreamError } from '../../errors.ts';
import type { BufferOutcomes, EventBuffer } from '../../events/ports.ts';
import type { AwsConnection } from '../sdk/connection.ts';
import type { AwsCall } from '../sdk/failure.ts';
import { type BatchAnswer, MAX_BATCH_ENTRIES, sendInBatch } from './queue-batch.ts';

export interface ReceiptCallsOptions {
  readonly queueUrl: string;
  readonly client: SQSClient;
  readonly connection: Pick<AwsConnection, 'call'>;
  readonly callOf: (operation: string) => AwsCall;
}

/** What becomes of messages that are held: calls of ten; what failed as a passing thing is repeated. */
export function createReceiptCalls(
  options: ReceiptCallsOptions,
): Pick<EventBuffer, 'settle' | 'keep' | 'giveBack'> {
  const { queueUrl: QueueUrl, client, connection, callOf } = options;

  async function forReceipts(
    operation: string,
    receipts: readonly string[],
    signal: AbortSignal | undefined,
    send: (
      entries: { Id: string; ReceiptHandle: string }[],
      http: { abortSignal: AbortSignal },
    ) => Promise<BatchAnswer>,
  ): Promise<BufferOutcomes> {
    const call = callOf(operation);
    const outcomes: (Error | undefined)[] = [];
    for (let from = 0; from < receipts.length; from += MAX_BATCH_ENTRIES) {
      const some = receipts.slice(from, from + MAX_BATCH_ENTRIES);
      const failures = await sendInBatch({
        call,
        signal,
        repeatCalls: true,
        entries: some.map((ReceiptHandle, index) => ({ Id: String(index), ReceiptHandle })),
        send: (entries) => connection.call(call, signal, (http) => send(entries, http)),
      });
      for (const index of some.keys()) outcomes.push(asHoldEnded(failures.get(String(index))));
    }
    return outcomes;
  }

  function changeHold(
    receipts: readonly string[],
    VisibilityTimeout: number,
    signal: AbortSignal | undefined,
  ): Promise<BufferOutcomes> {
    return forReceipts('ChangeMessageVisibilityBatch', receipts, signal, (entries, http) => {
      const Entries = entries.map((entry) => ({ ...entry, VisibilityTimeout }));
      return client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries }), http);
    });
  }

  return {
    settle: (receipts, signal) =>
      forReceipts('DeleteMessageBatch', receipts, signal, (Entries, http) =>
        client.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }), http),
      ),
    keep: changeHold,
    giveBack: changeHold,
  };
}

/** SQS refuses a receipt that does not hold any more; others may have the message by now. */
function asHoldEnded(failure: UpstreamError | undefined): UpstreamError | undefined {
  if (failure?.kind !== 'reject') return failure;
  const { message, service } = failure;
  return new UpstreamError(message, { service, code: 'buffer_hold_ended', kind: 'reject' });
}
