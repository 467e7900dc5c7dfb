import type { MapMetrics } from './map-metrics.ts';
import { isRefusal } from './upsert/batch-writer.ts';
import type { Settled } from './upsert/upsert.ts';

export interface RecordCounts {
  /** With a dry run those that would have been. */
  readonly written: number;
  readonly rejected: number;
  readonly failed: number;
  readonly superseded: number;
  readonly unchanged: number;
}

/** How a run of records ended. */
export interface RunOutcome {
  readonly counts: RecordCounts;
  /** The run went to its end, and every record is as the contact centre should have it. */
  readonly success: boolean;
  /** Why the run did not go to its end, or the rest was not sent. */
  readonly failure: Error | undefined;
  /** All that failed were refused for their content, so repeating will not help. */
  readonly refused: boolean;
}

/** One account of what becomes of the records of a run, for its answer and for Prometheus. */
export interface RecordFates {
  readonly counts: RecordCounts;
  readonly refused: boolean;
  reject(records: number): void;
  settle(settled: readonly Settled[]): void;
}

export function createRecordFates(metrics: MapMetrics, dryRun: boolean): RecordFates {
  const counts = { written: 0, rejected: 0, failed: 0, superseded: 0, unchanged: 0 };
  let refused = true;

  return {
    counts,
    get refused() {
      return refused;
    },
    reject(records) {
      counts.rejected += records;
      metrics.records('rejected', records);
    },
    settle(settled) {
      const before = { ...counts };
      let notAttempted = 0;
      for (const { fate } of settled) {
        counts[fate.fate] += 1;
        if (fate.fate !== 'failed') continue;
        if (!fate.attempted) notAttempted += 1;
        refused &&= isRefusal(fate);
      }
      metrics.records(dryRun ? 'dry_run' : 'written', counts.written - before.written);
      metrics.records('unchanged', counts.unchanged - before.unchanged);
      metrics.records('superseded', counts.superseded - before.superseded);
      metrics.records('failed', counts.failed - before.failed - notAttempted);
      metrics.records('not_attempted', notAttempted);
    },
  };
}

/** Nothing was rejected, nothing failed. */
export function isClean({ rejected, failed }: RecordCounts): boolean {
  return rejected === 0 && failed === 0;
}
