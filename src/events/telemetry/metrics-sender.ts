import { abortable } from '../../lib/abortable.ts';
import { errorFacts } from '../../lib/health/availability.ts';
import type { Logger } from '../../lib/logger.ts';
import type { MetricDatum, MetricsStore } from '../ports.ts';
import { bucketValue } from './latency-histogram.ts';
import type { PipelineStats } from './pipeline-stats.ts';

export interface MetricsSenderOptions {
  readonly store: MetricsStore;
  readonly stats: PipelineStats;
  readonly intervalMs: number;
  readonly log: Logger;
  readonly now?: () => Date;
}

/**
 * Sends what has happened since the last successful send, once per interval and at the end.
 * PutMetricData knows no ids: what was stored, but not answered in time, is counted twice.
 */
export interface MetricsSender {
  start(): void;
  /** Sends the rest, until the signal aborts. Never throws: metrics do not disturb anything. */
  stop(signal?: AbortSignal): Promise<void>;
}

const COUNTERS = [
  ['EventsIngested', 'ingested'],
  ['EventsPublished', 'published'],
  ['EventsFailed', 'failed'],
] as const;

export function createMetricsSender(options: MetricsSenderOptions): MetricsSender {
  const { store, stats, intervalMs, log, now = () => new Date() } = options;
  // Advances only when a send succeeded: what failed is part of the next interval.
  let sentCounts = { ...stats.counts };
  let sentLatency = stats.latency.snapshot();
  let timer: NodeJS.Timeout | undefined;
  let sending: Promise<void> | undefined;
  let failing = false;

  async function sendOnce(signal: AbortSignal | undefined): Promise<void> {
    const counts = { ...stats.counts };
    const latency = stats.latency.snapshot();
    const timestamp = now();
    const data: MetricDatum[] = COUNTERS.map(([name, counter]) => ({
      name,
      unit: 'Count',
      timestamp,
      values: [counts[counter] - sentCounts[counter]],
      counts: [1],
    }));
    const values: number[] = [];
    const hits: number[] = [];
    for (const [bucket, total] of latency.entries()) {
      const since = total - (sentLatency[bucket] ?? 0);
      if (since === 0) continue;
      values.push(bucketValue(bucket));
      hits.push(since);
    }
    if (values.length > 0) {
      data.push({
        name: 'ProcessingLatency',
        unit: 'Milliseconds',
        timestamp,
        values,
        counts: hits,
      });
    }
    try {
      await store.put(data, signal);
      sentCounts = counts;
      sentLatency = latency;
      if (failing) log.info('Metrics reach CloudWatch again');
      failing = false;
    } catch (error) {
      if (!failing) log.warn(errorFacts(error), 'Metrics wait for the next interval');
      failing = true;
    }
  }

  async function send(signal?: AbortSignal): Promise<void> {
    sending ??= sendOnce(signal).finally(() => {
      sending = undefined;
    });
    await sending;
  }

  return {
    start() {
      timer = setInterval(() => void send(), intervalMs);
      timer.unref();
    },
    async stop(signal) {
      clearInterval(timer);
      try {
        await abortable(Promise.resolve(sending), signal);
        await abortable(send(signal), signal);
      } catch (error) {
        log.warn(errorFacts(error), 'The last metrics were not sent in time');
      }
    },
  };
}
