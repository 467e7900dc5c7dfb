import type { Logger } from '../../lib/logger.ts';
import {
  averageLatencyMs,
  type PipelineCounts,
  type PipelineStats,
  successRate,
} from './pipeline-stats.ts';

/** Logs one `[Pipeline Report]` line per interval, with the numbers since the start; returns how to stop it. */
export function startPipelineReport(options: {
  readonly stats: PipelineStats;
  readonly log: Logger;
  readonly intervalMs: number;
}): () => void {
  const { stats, log, intervalMs } = options;
  const timer = setInterval(() => log.info({ ...stats.counts }, reportLine(stats)), intervalMs);
  timer.unref();
  return () => clearInterval(timer);
}

export function reportLine(stats: PipelineStats): string {
  return reportText(stats.counts, averageLatencyMs(stats));
}

/** The line as other systems read it. */
export function reportText(
  counts: Readonly<Pick<PipelineCounts, 'ingested' | 'published' | 'failed'>>,
  latencyMs: number,
): string {
  const { ingested, published, failed } = counts;
  return (
    `[Pipeline Report] Ingested: ${ingested} | Published: ${published} | Failed: ${failed} | ` +
    `Success Rate: ${successRate(counts).toFixed(2)}% | Avg Latency: ${latencyMs.toFixed(2)}ms`
  );
}
