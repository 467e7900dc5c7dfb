import { UpstreamError } from '../../errors.ts';
import { fullJitterMs, sleep } from '../../lib/retry.ts';
import { type AwsCall, awsFailure } from '../sdk/failure.ts';

/** The answer of SQS' batch calls: 200, and yet some entries may have failed. */
export interface BatchAnswer {
  readonly $metadata: { readonly requestId?: string | undefined };
  readonly Successful?: readonly { readonly Id: string | undefined }[] | undefined;
  readonly Failed?:
    | readonly {
        readonly Id: string | undefined;
        readonly SenderFault: boolean | undefined;
        readonly Code: string | undefined;
        readonly Message?: string | undefined;
      }[]
    | undefined;
}

export interface BatchCall<E> {
  readonly call: AwsCall;
  /** At most `MAX_BATCH_ENTRIES`, with different ids. */
  readonly entries: readonly E[];
  readonly send: (entries: E[]) => Promise<BatchAnswer>;
  /** Whether to repeat a call that failed as a whole, or leave that to the caller. */
  readonly repeatCalls: boolean;
  readonly signal: AbortSignal | undefined;
}

/** SQS' limit for every batch call, and for messages received at once. */
export const MAX_BATCH_ENTRIES = 10;
const TRIES = 3;
const BACK_OFF = { baseMs: 100, capMs: 1000 };

/**
 * One batch call; entries that SQS itself failed are sent again, up to three times in all.
 * Resolves to the failures that are left, by the entry's id: the same error for each when the call
 * failed as a whole.
 */
export async function sendInBatch<E extends { readonly Id: string | undefined }>(
  batch: BatchCall<E>,
): Promise<ReadonlyMap<string, UpstreamError>> {
  const failures = new Map<string, UpstreamError>();
  let pending = [...batch.entries];
  for (let tryNumber = 1; ; tryNumber += 1) {
    let failureOf: (entry: E) => UpstreamError | undefined;
    let repeat = true;
    try {
      const answer = await batch.send(pending);
      failureOf = (entry) => failureOfEntry(entry, answer, batch.call);
    } catch (error) {
      if (!(error instanceof UpstreamError)) throw error;
      failureOf = () => error;
      repeat = batch.repeatCalls;
    }
    const again: E[] = [];
    for (const entry of pending) {
      const failure = failureOf(entry);
      failures.delete(entry.Id ?? '');
      if (failure === undefined) continue;
      failures.set(entry.Id ?? '', failure);
      if (repeat && failure.kind === 'retry') again.push(entry);
    }
    if (again.length === 0 || tryNumber === TRIES) return failures;
    pending = again;
    await sleep(fullJitterMs(BACK_OFF, tryNumber), batch.signal);
  }
}

/** Deletes or releases by receipts; all are tried before the first failure is thrown. */
export function createSettle(
  call: AwsCall,
  send: (
    entries: { readonly Id: string; readonly ReceiptHandle: string }[],
    signal: AbortSignal | undefined,
  ) => Promise<BatchAnswer>,
) {
  return async (receipts: readonly string[], signal?: AbortSignal): Promise<void> => {
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
        send: (entries) => send(entries, signal),
      });
      failures.push(...left.values());
    }
    const [first] = failures;
    if (first !== undefined) throw first;
  };
}

function failureOfEntry(
  entry: { readonly Id: string | undefined },
  answer: BatchAnswer,
  call: AwsCall,
): UpstreamError | undefined {
  if (answer.Successful?.some(({ Id }) => Id === entry.Id) === true) return undefined;
  const failed = answer.Failed?.find(({ Id }) => Id === entry.Id);
  return awsFailure(
    Object.assign(new Error(failed?.Message ?? 'no answer for this entry'), {
      name: failed?.Code ?? 'InternalFailure',
      $metadata: {
        httpStatusCode: failed?.SenderFault === true ? 400 : 500,
        requestId: answer.$metadata.requestId ?? 'none',
      },
    }),
    call,
  );
}
