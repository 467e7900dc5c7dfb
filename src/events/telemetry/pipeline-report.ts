import type { Logger } from '../../lib/logger.ts';
import { reportText } from '../report-text.ts';
import { averageLatencyMs, type PipelineStats } from './pipeline-stats.ts';

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
