import { successRate } from '../report-text.ts';
import { createLatencyHistogram, type LatencyHistogram } from './latency-histogram.ts';

/** Plain numbers since the start; the hot path only bumps them. */
export interface PipelineCounts {
  /** Events read from the stream. */
  received: number;
  /** Matched by the filter and taken: committed to the journal. */
  ingested: number;
  /** Accepted by the bus. */
  published: number;
  /** Dead-lettered: taken ones, and those that the filter failed on. */
  failed: number;
  filteredOut: number;
  /** Lines that are no events; dead-lettered, but never taken. */
  malformed: number;
  duplicates: number;
  /** Taken although nothing says whether they were taken before: no id or time of their own. */
  unidentified: number;
  /** Dead letters taken again. */
  replayed: number;
  /** Calls to the bus, and the entries in them. */
  busCalls: number;
  busEntries: number;
}

export interface PipelineStats {
  readonly counts: PipelineCounts;
  /** From taken to accepted. */
  readonly latency: LatencyHistogram;
  /** Retries by the code of the error. */
  readonly retries: ReadonlyMap<string, number>;
  retried(code: string): void;
  /** Time spent in each stage, in milliseconds, over so many events. */
  readonly stages: ReadonlyMap<Stage, { ms: number; events: number }>;
  spent(stage: Stage, ms: number, events: number): void;
  /** Now − createdTime of the event read last, in milliseconds. */
  lagMs: number;
}

export type Stage = 'read' | 'journal' | 'transform' | 'publish';

/** Codes come from the other side; more than this many are one. */
const MAX_REASONS = 50;

export function createPipelineStats(): PipelineStats {
  const retries = new Map<string, number>();
  const stages = new Map<Stage, { ms: number; events: number }>(
    (['read', 'journal', 'transform', 'publish'] as const).map((stage) => [
      stage,
      { ms: 0, events: 0 },
    ]),
  );

  return {
    counts: {
      received: 0,
      ingested: 0,
      published: 0,
      failed: 0,
      filteredOut: 0,
      malformed: 0,
      duplicates: 0,
      unidentified: 0,
      replayed: 0,
      busCalls: 0,
      busEntries: 0,
    },
    latency: createLatencyHistogram(),
    retries,
    retried(code) {
      const reason = retries.has(code) || retries.size < MAX_REASONS ? code : 'other';
      retries.set(reason, (retries.get(reason) ?? 0) + 1);
    },
    stages,
    spent(stage, ms, events) {
      const total = stages.get(stage);
      if (total === undefined) return;
      total.ms += ms;
      total.events += events;
    },
    lagMs: 0,
  };
}

export function averageLatencyMs({ latency }: PipelineStats): number {
  return latency.count === 0 ? 0 : latency.sumMs / latency.count;
}

/** For `/status`. */
export function summarize(stats: PipelineStats) {
  const { latency } = stats;
  return {
    ...stats.counts,
    successRate: Number(successRate(stats.counts).toFixed(2)),
    retries: Object.fromEntries(stats.retries),
    latencyMs: {
      average: Number(averageLatencyMs(stats).toFixed(1)),
      p50: latency.quantile(0.5),
      p95: latency.quantile(0.95),
      p99: latency.quantile(0.99),
    },
    lagMs: stats.lagMs,
  };
}
