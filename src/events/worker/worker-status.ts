import type { Journal } from '../journal/journal.ts';
import { type PipelineStats, summarize } from '../telemetry/pipeline-stats.ts';
import type { WorkerParts } from './worker-parts.ts';

export interface DescribedWorker extends Pick<WorkerParts, 'reader' | 'transformLoop' | 'sender'> {
  readonly publisher: Omit<WorkerParts['publisher'], 'add'>;
  readonly journal: Journal;
  readonly stats: PipelineStats;
}

export interface WorkerStatus {
  readonly worker: Readonly<Record<string, unknown>>;
  readonly pipeline: ReturnType<typeof summarize>;
}

/** A snapshot for `/status`, made of plain JSON values. */
export function describeWorker(state: string, parts: DescribedWorker): WorkerStatus {
  const { reader, transformLoop, publisher, sender, journal, stats } = parts;
  const { busCalls, busEntries } = stats.counts;
  return {
    worker: {
      state,
      held: transformLoop.held,
      stream: reader.status,
      bus: {
        open: publisher.open,
        inFlight: publisher.inFlight,
        inFlightLimit: publisher.inFlightLimit,
        callsPerSecond: publisher.callsPerSecond,
        waiting: publisher.waiting,
        delayed: publisher.delayed,
        averageBatch: busCalls === 0 ? 0 : busEntries / busCalls,
      },
      journal: {
        events: journal.events,
        letters: journal.letters,
        lettersRefused: sender.refused,
        bytes: journal.bytes,
        full: journal.full,
        oldestAgeMs: journal.oldestAgeMs,
      },
    },
    pipeline: summarize(stats),
  };
}
