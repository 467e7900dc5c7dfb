import { setImmediate } from 'node:timers/promises';
import { coerceError } from '../errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { MapMetrics } from './map-metrics.ts';
import type { RecordConverter, SkippedAttribute } from './mapping/record-converter.ts';
import type { FieldError } from './mapping/record-validator.ts';
import { isRefusal } from './upsert/batch-writer.ts';
import type { Settled, Upserter } from './upsert/upsert.ts';

export interface MapRequest {
  readonly orgId: string;
  readonly records: readonly unknown[];
  /** One bad record and nothing is written. */
  readonly strict: boolean;
  /** Everything but the write itself. */
  readonly dryRun: boolean;
  readonly skipUnchanged: boolean;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

export interface RejectedRecord {
  readonly index: number;
  readonly id: string | null;
  readonly errors: readonly FieldError[];
}

export interface FailedRecord {
  readonly index: number;
  readonly id: string;
  readonly error: string;
  readonly code: string;
  /** `false`: it was never sent. */
  readonly attempted: boolean;
}

/** The fate of every record: those that are in no list were written (or are `unchanged`). */
export interface MapAnswer {
  /** Nothing was rejected, nothing failed. */
  readonly success: boolean;
  /** Records written; with `dryRun` those that would have been. */
  readonly processed: number;
  readonly allowedAttributes: readonly string[];
  /** Not sent, because something is wrong with them. */
  readonly rejected: readonly RejectedRecord[];
  /** Good, but not written. */
  readonly failed: readonly FailedRecord[];
  /** Not sent, because a later record (`by`) has the same id. */
  readonly superseded: readonly { index: number; id: string; by: number }[];
  /** Not sent, because Genesys has them like this already. */
  readonly unchanged: number;
  readonly skippedAttributes: readonly SkippedAttribute[];
  readonly warnings: readonly string[];
  /** Exactly what was written; only there when not everything was. */
  readonly written?: readonly { index: number; id: string }[];
  readonly dryRun?: true;
}

export interface MapResult {
  readonly answer: MapAnswer;
  /** Why the rest was not sent, when Genesys failed for good or the signal aborted. */
  readonly failure: Error | undefined;
  /** All failed records were refused for their content, so repeating will not help. */
  readonly refused: boolean;
}

export interface RecordMapper {
  /**
   * The story of one request: may we write, what is allowed, is each record good, write.
   *
   * @throws UpstreamError when nothing could be begun; the signal's reason when it aborted before
   *   the first write. What was written is always told.
   */
  map(request: MapRequest): Promise<MapResult>;
}

/** So many records are read before others get their turn. */
const RECORDS_PER_TURN = 500;

export function createRecordMapper(options: {
  readonly readers: { open(orgId: string, signal: AbortSignal): Promise<RecordConverter> };
  readonly upserter: Upserter;
  readonly metrics: MapMetrics;
}): RecordMapper {
  const { readers, upserter, metrics } = options;

  return {
    async map(request) {
      const { records, signal, dryRun } = request;
      const startedMs = performance.now();
      const reader = await readers.open(request.orgId, signal);
      const { good, rejected } = await readAll(records, reader, signal);
      const fates: Settled[] = [];
      const run = upserter.open({ ...request, onSettled: (settled) => fates.push(...settled) });

      const strictStop = request.strict && rejected.length > 0;
      // The last record of an id wins over the whole request, not only within a batch.
      const last = new Map(good.map(({ index, update }) => [update.id, index]));
      for (const { index, update, bytes } of good) {
        const by = last.get(update.id) ?? index;
        if (by !== index) {
          fates.push({ position: index, id: update.id, fate: { fate: 'superseded', by } });
        } else if (strictStop) {
          fates.push({ position: index, id: update.id, fate: STRICT });
        } else {
          if (run.full) await run.room();
          run.add(index, update, bytes);
        }
      }
      await run.finish();

      const answer = toAnswer(request, reader, rejected, fates);
      count(metrics, answer);
      request.log.info(
        {
          records: records.length,
          written: answer.processed,
          rejected: answer.rejected.length,
          failed: answer.failed.length,
          superseded: answer.superseded.length,
          unchanged: answer.unchanged,
          dryRun,
          elapsedMs: Math.round(performance.now() - startedMs),
        },
        signal.aborted ? 'Records mapped in part: the request was aborted' : 'Records mapped',
      );
      return {
        answer,
        failure: signal.aborted ? coerceError(signal.reason) : run.failure,
        refused: fates.every(({ fate }) => fate.fate !== 'failed' || isRefusal(fate)),
      };
    },
  };
}

const STRICT = {
  fate: 'failed',
  code: 'strict_mode',
  message: 'not sent: another record was rejected, and mode=strict writes all or nothing',
  attempted: false,
} as const;

async function readAll(records: readonly unknown[], reader: RecordConverter, signal: AbortSignal) {
  const good = [];
  const rejected: RejectedRecord[] = [];
  for (const [index, record] of records.entries()) {
    if (index % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await setImmediate();
    signal.throwIfAborted();
    const reading = reader.read(record);
    const read = reading instanceof Promise ? await reading : reading;
    if (read.ok) good.push({ index, ...read });
    else rejected.push({ index, id: read.id ?? null, errors: read.errors });
  }
  return { good, rejected };
}

function toAnswer(
  request: MapRequest,
  reader: RecordConverter,
  rejected: readonly RejectedRecord[],
  fates: readonly Settled[],
): MapAnswer {
  const written: { index: number; id: string }[] = [];
  const failed: FailedRecord[] = [];
  const superseded: { index: number; id: string; by: number }[] = [];
  let unchanged = 0;
  for (const { position: index, id, fate } of fates.toSorted((a, b) => a.position - b.position)) {
    switch (fate.fate) {
      case 'written':
        written.push({ index, id });
        break;
      case 'unchanged':
        unchanged += 1;
        break;
      case 'superseded':
        superseded.push({ index, id, by: fate.by });
        break;
      case 'failed':
        failed.push({
          index,
          id,
          error: fate.message,
          code: fate.code,
          attempted: fate.attempted,
        });
        break;
    }
  }
  const success = rejected.length === 0 && failed.length === 0;
  return {
    success,
    processed: written.length,
    allowedAttributes: reader.allowedAttributes,
    rejected,
    failed,
    superseded,
    unchanged,
    skippedAttributes: reader.skippedAttributes,
    warnings: reader.warnings,
    ...(success ? {} : { written: request.dryRun ? [] : written }),
    ...(request.dryRun ? { dryRun: true } : {}),
  };
}

function count(metrics: MapMetrics, answer: MapAnswer): void {
  const notAttempted = answer.failed.filter(({ attempted }) => !attempted).length;
  metrics.records(answer.dryRun === true ? 'dry_run' : 'written', answer.processed);
  metrics.records('rejected', answer.rejected.length);
  metrics.records('superseded', answer.superseded.length);
  metrics.records('unchanged', answer.unchanged);
  metrics.records('not_attempted', notAttempted);
  metrics.records('failed', answer.failed.length - notAttempted);
}
