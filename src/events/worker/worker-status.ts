import type { DeadLetterSender } from '../dead-letters/letter-sender.ts';
import type { Journal } from '../journal/journal.ts';
import type { Publisher } from '../publish/publisher.ts';
import { type PipelineStats, summarize } from '../telemetry/pipeline-stats.ts';
import type { StreamReader } from './stream-reader.ts';
import type { TransformLoop } from './transform-loop.ts';

export interface WorkerParts {
  readonly reader: StreamReader;
  readonly transformLoop: TransformLoop;
  readonly publisher: Publisher;
  readonly sender: DeadLetterSender;
  readonly journal: Journal;
  readonly stats: PipelineStats;
}

export interface WorkerStatus {
  readonly worker: Readonly<Record<string, unknown>>;
  readonly pipeline: ReturnType<typeof summarize>;
}

/** A snapshot for `/status`, made of plain JSON values. */
export function describeWorker(state: string, parts: WorkerParts): WorkerStatus {
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
