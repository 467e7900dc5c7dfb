import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { MetricDatum } from '../../../src/events/ports.ts';
import {
  bucketValue,
  createLatencyHistogram,
} from '../../../src/events/telemetry/latency-histogram.ts';
import { createMetricsSender } from '../../../src/events/telemetry/metrics-sender.ts';
import { reportLine, startPipelineReport } from '../../../src/events/telemetry/pipeline-report.ts';
import { createPipelineStats, summarize } from '../../../src/events/telemetry/pipeline-stats.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import {
  interaction,
  interactions,
  sandboxForTest,
  workerOn,
} from '../../support/worker-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 10 });
const silent = createLogger({ level: 'silent' });

describe('latencies', () => {
  test('a quantile is right within a bucket, and never more than 150 values are sent', () => {
    const latency = fc.double({ min: 1, max: 5_000_000, noNaN: true });
    fc.assert(
      fc.property(fc.array(latency, { minLength: 1, maxLength: 200 }), (values) => {
        const histogram = createLatencyHistogram();
        for (const value of values) histogram.add(value);
        const sorted = [...values].sort((a, b) => a - b);
        for (const q of [0.5, 0.95, 0.99, 1]) {
          const exact = sorted[Math.ceil(q * sorted.length) - 1] ?? 0;
          const estimate = histogram.quantile(q);
          expect(estimate).toBeGreaterThan(exact * 0.94);
          expect(estimate).toBeLessThan(exact * 1.07);
        }
        expect(histogram.count).toBe(values.length);
        expect(histogram.snapshot().length).toBeLessThanOrEqual(150);
      }),
    );
  });

  test('what takes less than a millisecond or more than an hour is counted too', () => {
    const histogram = createLatencyHistogram();
    histogram.add(0);
    histogram.add(1e12);
    expect(histogram.count).toBe(2);
    expect(histogram.quantile(0.5)).toBe(1);
    expect(histogram.quantile(1)).toBeGreaterThan(3_600_000);
  });
});

describe('the report', () => {
  test('has true numbers: what became a dead letter is failed, not published', () => {
    const stats = createPipelineStats();
    expect(reportLine(stats)).toBe(
      '[Pipeline Report] Ingested: 0 | Published: 0 | Failed: 0 | Success Rate: 100.00% | Avg Latency: 0.00ms',
    );
    Object.assign(stats.counts, { ingested: 5, published: 3, failed: 1 });
    stats.latency.add(10);
    stats.latency.add(15);
    expect(reportLine(stats)).toBe(
      '[Pipeline Report] Ingested: 5 | Published: 3 | Failed: 1 | Success Rate: 75.00% | Avg Latency: 12.50ms',
    );
  });

  test('comes once per interval until it is stopped', async () => {
    const lines: string[] = [];
    const log = createLogger({
      level: 'info',
      destination: { write: (line) => void lines.push(line) },
    });
    const stop = startPipelineReport({ stats: createPipelineStats(), log, intervalMs: 10 });
    await until(() => expect(lines.length).toBeGreaterThan(1));
    stop();
    expect(lines[0]).toContain('[Pipeline Report] Ingested: 0');
  });

  test('reasons of retries are bounded', () => {
    const stats = createPipelineStats();
    for (let code = 0; code < 500; code += 1) stats.retried(`code-${code}`);
    stats.retried('code-3');
    expect(stats.retries.size).toBeLessThanOrEqual(51);
    expect(summarize(stats).retries['other']).toBe(450);
    expect(summarize(stats).retries['code-3']).toBe(2);
  });
});

describe('metrics for CloudWatch', () => {
  function senderUnderTest(intervalMs = 3_600_000) {
    const stats = createPipelineStats();
    const puts: (readonly MetricDatum[])[] = [];
    const state = { failure: undefined as Error | undefined };
    const sender = createMetricsSender({
      stats,
      intervalMs,
      log: silent,
      store: {
        async put(data) {
          if (state.failure !== undefined) throw state.failure;
          puts.push(data);
        },
      },
    });
    const sums = () =>
      puts.map((data) =>
        Object.fromEntries(
          data.map(({ name, values, counts }) => [
            name,
            name === 'ProcessingLatency'
              ? counts.reduce((sum, count) => sum + count, 0)
              : (values[0] ?? 0) * (counts[0] ?? 0),
          ]),
        ),
      );
    return { stats, sender, puts, sums, state };
  }

  test('are what happened since the last time, with values for percentiles', async () => {
    const { stats, sender, puts, sums } = senderUnderTest(20);
    Object.assign(stats.counts, { ingested: 3, published: 2, failed: 1 });
    stats.latency.add(100);
    stats.latency.add(100);
    sender.start();
    await until(() => expect(puts.length).toBeGreaterThan(0));
    stats.counts.published += 5;
    stats.latency.add(7);
    await sender.stop();
    expect(sums()[0]).toEqual({
      EventsIngested: 3,
      EventsPublished: 2,
      EventsFailed: 1,
      ProcessingLatency: 2,
    });
    const total = (name: string) => sums().reduce((sum, data) => sum + (data[name] ?? 0), 0);
    expect(total('EventsPublished')).toBe(7);
    expect(total('ProcessingLatency')).toBe(3);
    const latency = puts[0]?.find(({ name }) => name === 'ProcessingLatency');
    expect(latency?.values[0]).toBeGreaterThan(94);
    expect(latency?.values[0]).toBeLessThan(106);
    expect(latency?.unit).toBe('Milliseconds');
  });

  test('end with their bound when CloudWatch does not answer', async () => {
    const sender = createMetricsSender({
      stats: createPipelineStats(),
      intervalMs: 5,
      log: silent,
      store: { put: () => new Promise(() => {}) },
    });
    sender.start();
    await new Promise((resolve) => setTimeout(resolve, 20));
    const startedMs = performance.now();
    await sender.stop(AbortSignal.timeout(50));
    expect(performance.now() - startedMs).toBeLessThan(1000);
  });

  test('that could not be sent are part of the next interval, none lost and none twice', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat({ max: 50 }), fc.boolean()), { maxLength: 20 }),
        async (steps) => {
          const { stats, sender, sums, state } = senderUnderTest();
          let total = 0;
          for (const [events, fails] of steps) {
            stats.counts.published += events;
            for (let index = 0; index < events; index += 1) stats.latency.add(index);
            total += events;
            state.failure = fails ? new Error('CloudWatch is away') : undefined;
            await sender.stop();
          }
          state.failure = undefined;
          await sender.stop();
          const sum = (name: string) => sums().reduce((all, data) => all + (data[name] ?? 0), 0);
          expect(sum('EventsPublished')).toBe(total);
          expect(sum('ProcessingLatency')).toBe(total);
        },
      ),
    );
  });

  test('bucket values grow', () => {
    const values = Array.from({ length: 149 }, (_, bucket) => bucketValue(bucket));
    expect(new Set(values).size).toBe(149);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  });
});

test('Prometheus gets the same numbers as the status', async () => {
  const sandbox = await sandboxForTest();
  const { worker, registry, stats, health } = await workerOn(sandbox);
  worker.start();
  await until(() => expect(health.ready).toBe(true));
  sandbox.emit([...interactions(20), interaction({ createdTime: 'never' }), 'not JSON']);
  await until(() => expect(stats.counts).toMatchObject({ published: 20, failed: 1, malformed: 1 }));
  await until(() =>
    expect(worker.status().worker['journal']).toMatchObject({ events: 0, letters: 0 }),
  );

  const text = await registry.metrics();
  const value = (name: string) => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
  expect(value('pipeline_events_ingested_total')).toBe(21);
  expect(value('pipeline_events_published_total')).toBe(20);
  expect(value('pipeline_events_failed_total')).toBe(1);
  expect(value('pipeline_events_filtered_out_total')).toBe(0);
  expect(value('pipeline_events_malformed_total')).toBe(1);
  expect(value('pipeline_latency_seconds_count')).toBe(20);
  expect(value('pipeline_journal_events')).toBe(0);
  expect(value('pipeline_stream_connected')).toBe(1);
  expect(value('pipeline_bus_open')).toBe(1);
  expect(value('pipeline_bus_entries_total')).toBe(20);
  expect(text).toMatch(/^pipeline_stage_seconds_total\{stage="transform"\} \d/m);
  expect(await registry.metrics()).toContain('pipeline_events_published_total 20');
  expect(worker.status().pipeline).toMatchObject({
    ingested: 21,
    published: 20,
    failed: 1,
    successRate: 95.24,
  });
});
