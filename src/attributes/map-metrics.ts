import { Counter, Gauge, type Registry } from '../lib/metrics.ts';

export type RecordFate =
  | 'written'
  | 'unchanged'
  | 'superseded'
  | 'rejected'
  | 'failed'
  | 'not_attempted'
  | 'dry_run';

/** The metrics of imports. */
export interface MapMetrics {
  records(fate: RecordFate, count: number): void;
  write(outcome: 'written' | 'refused' | 'failed'): void;
  batchSize(size: number): void;
  /** The table of fingerprints failed for so many records. */
  fingerprintFailures(operation: 'ask' | 'announce' | 'settle', records: number): void;
}

export function createMapMetrics(registry: Registry): MapMetrics {
  const registers = [registry];
  const records = new Counter({
    name: 'map_records_total',
    help: 'CRM records by what became of them',
    labelNames: ['fate'],
    registers,
  });
  const writes = new Counter({
    name: 'map_writes_total',
    help: 'Batches sent to Genesys: written, refused (400, 413, 422) or failed for good',
    labelNames: ['outcome'],
    registers,
  });
  const batchSize = new Gauge({
    name: 'map_batch_size',
    help: 'Records that go into one write at present',
    registers,
  });
  const fingerprintFailures = new Counter({
    name: 'map_fingerprint_failures_total',
    help: 'Records whose fingerprint could not be asked for (written all the same), announced (not written) or settled (not remembered)',
    labelNames: ['operation'],
    registers,
  });
  return {
    records: (fate, count) => records.inc({ fate }, count),
    write: (outcome) => writes.inc({ outcome }),
    fingerprintFailures: (operation, count) => fingerprintFailures.inc({ operation }, count),
    batchSize: (size) => batchSize.set(size),
  };
}
