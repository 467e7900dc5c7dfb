import { BridgeError, coerceError, UpstreamError } from '../../errors.ts';
import { type Logger, payloadFacts } from '../../lib/logger.ts';
import type { PermissionCheck } from '../definitions/permission-check.ts';
import type { MapMetrics } from '../map-metrics.ts';
import type { AttributeUpdate, AttributeWriter, UpdateOutcome } from '../ports.ts';
import type { BatchSize } from './batch-size.ts';

/** What became of one update that was to be written. */
export type WriteFate = { readonly fate: 'written' } | FailedWrite;

export interface FailedWrite {
  readonly fate: 'failed';
  readonly code: string;
  readonly message: string;
  /** `false`: it was never sent. */
  readonly attempted: boolean;
  /** HTTP status that Genesys gave for it alone, or for its batch where that says it all. */
  readonly status?: number | undefined;
}

export interface BatchWriterOptions {
  readonly writer: AttributeWriter;
  readonly permissionCheck: Pick<PermissionCheck, 'forget'>;
  readonly size: BatchSize;
  readonly metrics: MapMetrics;
  readonly log: Logger;
  readonly signal: AbortSignal;
}

/** Writes the batches of one import. Failures are fates, never exceptions. */
export interface BatchWriter {
  /** One fate for each update, in their order. */
  write(updates: readonly AttributeUpdate[]): Promise<WriteFate[]>;
  /** Nothing is sent from now on. */
  stop(failure: Error): void;
  /** Why nothing is sent any more. */
  readonly failure: Error | undefined;
}

/** Refused for its content: a part of the batch may be fine. */
const SPLITTABLE: ReadonlySet<number | undefined> = new Set([400, 413, 422]);

/**
 * Calls that an import may spend on halves of refused batches: enough to take the largest batch
 * apart, record by record. Each accepted half gives some back, so that bad records here and there
 * are found, and an API that refuses everything is not flooded.
 */
const MAX_SPLIT_CALLS = 2000;
const SPLIT_CALLS_PER_SUCCESS = 8;

export const WRITTEN: WriteFate = { fate: 'written' };

export function createBatchWriter(options: BatchWriterOptions): BatchWriter {
  const { writer, size, metrics, log, signal } = options;
  let failure: Error | undefined;
  let splitCallsLeft = MAX_SPLIT_CALLS;
  let accepted = 0;

  async function write(
    updates: readonly AttributeUpdate[],
    isWhole: boolean,
  ): Promise<WriteFate[]> {
    if (failure === undefined && signal.aborted) failure = abortedError();
    if (failure !== undefined) return updates.map(() => notAttempted(failure));
    const { epoch } = size;
    const acceptedBefore = accepted;
    try {
      const { outcomes, latencyMs, throttled } = await writer.upsert(updates, signal);
      accepted += 1;
      splitCallsLeft = Math.min(MAX_SPLIT_CALLS, splitCallsLeft + SPLIT_CALLS_PER_SUCCESS);
      metrics.write('written');
      log.debug({ records: updates.length, latencyMs, throttled }, 'Batch of records written');
      if (log.isLevelEnabled('trace')) log.trace(payloadFacts(updates), 'Records of the batch');
      if (isWhole) size.observe({ sent: updates.length, latencyMs, throttled, epoch });
      return updates.map((_, index) => fateOf(outcomes[index]));
    } catch (thrown) {
      const error = coerceError(thrown);
      if (signal.aborted) {
        failure ??= abortedError();
        log.warn(
          {
            code: 'unknown_outcome',
            ids: updates.slice(0, 20).map(({ id }) => id),
            records: updates.length,
          },
          'A write was cut off by the abort of its import: its outcome is unknown',
        );
        return updates.map(() =>
          failed(
            'unknown_outcome',
            'was being written when the import was aborted; its outcome is unknown',
          ),
        );
      }
      const refused = error instanceof UpstreamError && SPLITTABLE.has(error.status);
      metrics.write(refused ? 'refused' : 'failed');
      log.warn({ ...factsOf(error), records: updates.length }, 'Genesys did not take a batch');
      if (refused) {
        if (updates.length === 1) return [failed(error.code, error.message, error.status)];
        if (splitCallsLeft < 2) return updates.map(() => refusedTogether(updates.length, error));
        splitCallsLeft -= 2;
        const middle = Math.ceil(updates.length / 2);
        const first = await write(updates.slice(0, middle), false);
        return [...first, ...(await write(updates.slice(middle), false))];
      }
      if (error instanceof UpstreamError && error.kind === 'retry') {
        size.observe({ sent: updates.length, latencyMs: Infinity, throttled: 0, epoch });
        // If others got through in the meantime, this batch was unlucky; else Genesys is away.
        if (accepted === acceptedBefore) failure ??= error;
      } else {
        if (error instanceof UpstreamError && error.status === 403) {
          options.permissionCheck.forget();
        }
        failure ??= error;
      }
      const { status } = error instanceof UpstreamError ? error : {};
      return updates.map(() => failed(codeOf(error), error.message, status));
    }
  }

  return {
    write: (updates) => write(updates, true),
    stop(reason) {
      failure ??= reason;
    },
    get failure() {
      return failure;
    },
  };
}

function fateOf(outcome: UpdateOutcome | undefined): WriteFate {
  if (outcome === undefined) {
    return failed('genesys_bad_answer', 'Genesys did not say what became of it');
  }
  return outcome.written ? WRITTEN : failed(outcome.code, outcome.message, outcome.status);
}

function failed(code: string, message: string, status?: number): WriteFate {
  return { fate: 'failed', code, message, attempted: true, status };
}

/** It may well be good, so it has no status of its own. */
function refusedTogether(records: number, error: Error): WriteFate {
  return failed(
    'genesys_batch_refused',
    `was refused together with ${records - 1} others and not tried alone; send it again: ${error.message}`,
  );
}

/** Refused for its content: sending it again will not help. */
export function isRefusal({ status }: FailedWrite): boolean {
  return status !== undefined && status >= 400 && status < 500 && status !== 408 && status !== 429;
}

export function notAttempted(failure: Error | undefined): WriteFate {
  const reason = failure?.message ?? 'the import ended';
  return {
    fate: 'failed',
    code: codeOf(failure),
    message: `not sent: ${reason}`,
    attempted: false,
  };
}

function abortedError(): BridgeError {
  return new BridgeError('the import was aborted', { code: 'import_aborted', kind: 'retry' });
}

function codeOf(error: Error | undefined): string {
  return error instanceof BridgeError ? error.code : 'internal_error';
}

function factsOf(error: Error): Record<string, unknown> {
  return error instanceof UpstreamError
    ? {
        code: error.code,
        status: error.status,
        correlationId: error.correlationId,
        tries: error.tries,
        // A refusal quotes what it refuses: its message is for the caller, not for the log.
        ...(error.kind === 'reject' ? error.details : { reason: error.message }),
      }
    : { code: codeOf(error), err: error };
}
