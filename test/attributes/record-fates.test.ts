import { expect, test } from 'vitest';
import { createMapMetrics } from '../../src/attributes/map-metrics.ts';
import { createRecordFates, isClean } from '../../src/attributes/record-fates.ts';
import type { Fate } from '../../src/attributes/upsert/upsert.ts';
import { createMetricsRegistry } from '../../src/lib/metrics.ts';

const failed = (status: number | undefined, attempted = true): Fate => ({
  fate: 'failed',
  code: 'x',
  message: 'x',
  attempted,
  status,
});

async function after(dryRun: boolean, rejected: number, ...batches: readonly Fate[][]) {
  const registry = createMetricsRegistry();
  const fates = createRecordFates(createMapMetrics(registry), dryRun);
  fates.reject(rejected);
  for (const batch of batches) {
    fates.settle(batch.map((fate, position) => ({ position, id: `T${position}`, fate })));
  }
  const metric = await registry.getSingleMetric('map_records_total')?.get();
  const metrics = metric?.values.map(({ labels, value }) => [labels['fate'], value] as const) ?? [];
  return {
    counts: fates.counts,
    refused: fates.refused,
    metrics: Object.fromEntries(metrics.filter(([, value]) => value > 0)) as Record<string, number>,
  };
}

test('every record counts once, in the answer and in the metrics', async () => {
  const { counts, metrics, refused } = await after(
    false,
    2,
    [{ fate: 'written' }, { fate: 'unchanged' }, failed(400), failed(undefined, false)],
    [{ fate: 'superseded', by: 7 }],
    [{ fate: 'written' }],
  );
  expect(counts).toEqual({ written: 2, rejected: 2, failed: 2, superseded: 1, unchanged: 1 });
  expect(metrics).toEqual({
    written: 2,
    rejected: 2,
    failed: 1,
    not_attempted: 1,
    superseded: 1,
    unchanged: 1,
  });
  expect(refused).toBe(false);
});

test('a dry run has its own count in the metrics', async () => {
  const { counts, metrics } = await after(true, 0, [{ fate: 'written' }]);
  expect(counts.written).toBe(1);
  expect(isClean(counts)).toBe(true);
  expect(metrics).toEqual({ dry_run: 1 });
});

test.each([
  [[failed(400), failed(422), { fate: 'written' }], true],
  [[failed(400), failed(429)], false],
  [[failed(503)], false],
  [[], true],
] as [Fate[], boolean][])(
  'refused only when repeating helps none of them: %#',
  async (batch, is) => {
    expect((await after(false, 0, batch)).refused).toBe(is);
  },
);
