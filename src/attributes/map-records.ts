import { coerceError } from '../errors.ts';
import type { Logger } from '../lib/logger.ts';
import type { MapMetrics } from './map-metrics.ts';
import type { RecordConverter, SkippedAttribute } from './mapping/record-converter.ts';
import type { FieldError } from './mapping/record-validator.ts';
import type { UnmappedField } from './mapping/unmapped-fields.ts';
import { createRecordFates, isClean, type RunOutcome } from './record-fates.ts';
import type { Settled, Upserter } from './upsert/upsert.ts';

export interface MapRequest {
  readonly orgId: string;
  readonly records: readonly unknown[];
  /** One bad record, or a field that no mapping reads, and nothing is written. */
  readonly strict: boolean;
  /** Everything but the write itself. */
  readonly dryRun: boolean;
  readonly skipUnchanged: boolean;
  readonly signal: AbortSignal;
  /** Waits until other requests had their turn. */
  readonly turn: () => Promise<void>;
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
  /** Only there when there are some. */
  readonly unmappedFields?: readonly UnmappedField[] | undefined;
  /** Exactly what was written; only there when not everything was. */
  readonly written?: readonly { index: number; id: string }[] | undefined;
  readonly dryRun?: true | undefined;
}

export interface MapResult extends RunOutcome {
  readonly answer: MapAnswer;
  /** Why nothing was written, in strict mode. */
  readonly strictStop: StrictStop | undefined;
}

export type StrictStop =
  | 'organisation_without_definitions'
  | 'strict_mode_rejected'
  | 'unmapped_fields';

export interface RecordMapper {
  /**
   * The story of one request: may we write, what is allowed, is each record good, write.
   *
   * @throws UpstreamError when nothing could be begun; the signal's reason when it aborted before
   *   the first write. What was written is always in the result.
   */
  map(request: MapRequest): Promise<MapResult>;
}

/** So many records are converted before others get their turn; all requests share them. */
const RECORDS_PER_TURN = 100;

export function createRecordMapper(options: {
  readonly converters: { open(orgId: string, signal: AbortSignal): Promise<RecordConverter> };
  readonly upserter: Upserter;
  readonly metrics: MapMetrics;
}): RecordMapper {
  const { converters, upserter, metrics } = options;

  return {
    async map(request) {
      const { records, signal, dryRun } = request;
      const startedMs = performance.now();
      const converter = await converters.open(request.orgId, signal);
      const { good, rejected } = await convertAll(records, converter, request);
      const fates = createRecordFates(metrics, dryRun);
      const all: Settled[] = [];
      const onSettled = (settled: readonly Settled[]) => {
        fates.settle(settled);
        all.push(...settled);
      };
      fates.reject(rejected.length);
      const run = upserter.open({ ...request, onSettled });

      const unsent: Settled[] = [];
      const strictStop = request.strict ? whyNot(converter, rejected) : undefined;
      // The last record of an id wins over the whole request, not only within a batch.
      const last = new Map(good.map(({ index, update }) => [update.id, index]));
      for (const { index, update, bytes } of good) {
        const by = last.get(update.id) ?? index;
        if (by !== index) {
          unsent.push({ position: index, id: update.id, fate: { fate: 'superseded', by } });
        } else if (strictStop !== undefined) {
          const fate = strictStop === 'unmapped_fields' ? STRICT_FIELDS : STRICT;
          unsent.push({ position: index, id: update.id, fate });
        } else {
          if (run.full) await run.room();
          run.add(index, update, bytes);
        }
      }
      onSettled(unsent);
      await run.finish();

      const { counts } = fates;
      const success = isClean(counts);
      request.log.info(
        {
          records: records.length,
          ...counts,
          dryRun,
          elapsedMs: Math.round(performance.now() - startedMs),
        },
        signal.aborted ? 'Records mapped in part: the request was aborted' : 'Records mapped',
      );
      return {
        answer: toAnswer(request, converter, rejected, all, success),
        strictStop,
        counts,
        success,
        failure: signal.aborted ? coerceError(signal.reason) : run.failure,
        refused: fates.refused,
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

const STRICT_FIELDS = {
  ...STRICT,
  message: 'not sent: the records have fields that no mapping reads, and mode=strict refuses them',
} as const;

function whyNot(
  converter: RecordConverter,
  rejected: readonly RejectedRecord[],
): StrictStop | undefined {
  if (converter.isUnknownOrganisation) return 'organisation_without_definitions';
  if (rejected.length > 0) return 'strict_mode_rejected';
  return converter.unmapped.all.length > 0 ? 'unmapped_fields' : undefined;
}

async function convertAll(
  records: readonly unknown[],
  converter: RecordConverter,
  { signal, turn }: Pick<MapRequest, 'signal' | 'turn'>,
) {
  const good = [];
  const rejected: RejectedRecord[] = [];
  for (const [index, record] of records.entries()) {
    if (index % RECORDS_PER_TURN === RECORDS_PER_TURN - 1) await turn();
    signal.throwIfAborted();
    const converting = converter.convert(record);
    const converted = converting instanceof Promise ? await converting : converting;
    if (converted.ok) good.push({ index, ...converted });
    else rejected.push({ index, id: converted.id ?? null, errors: converted.errors });
  }
  return { good, rejected };
}

function toAnswer(
  request: MapRequest,
  converter: RecordConverter,
  rejected: readonly RejectedRecord[],
  fates: readonly Settled[],
  success: boolean,
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
  const unmapped = converter.unmapped.all;
  return {
    success,
    processed: written.length,
    allowedAttributes: converter.allowedAttributes,
    rejected,
    failed,
    superseded,
    unchanged,
    skippedAttributes: converter.skippedAttributes,
    warnings: [...converter.warnings, ...converter.unmapped.warnings],
    unmappedFields: unmapped.length === 0 ? undefined : unmapped,
    written: success ? undefined : request.dryRun ? [] : written,
    dryRun: request.dryRun ? true : undefined,
  };
}
