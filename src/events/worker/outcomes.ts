import { createRarely } from '../../lib/limits/rarely.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Histogram } from '../../lib/metrics.ts';
import { type Failure, letterOf } from '../dead-letters/letter.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { Refusal } from '../publish/delivery.ts';
import type { EventSupply, TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { WorkerOutlet } from './worker-outlet.ts';

export interface OutcomesOptions<Entry> {
  readonly supply: Pick<EventSupply, 'settle' | 'giveUp'>;
  readonly pipeline: Pick<Pipeline, 'versions'>;
  readonly outlet: Pick<WorkerOutlet<Entry>, 'shownInLetter' | 'stats'>;
  readonly stats: PipelineStats;
  /** From taken to accepted, in seconds. */
  readonly latency: Histogram;
  readonly log: Logger;
}

/** The end of a taken event: counted, and handed to the supply. */
export interface Outcomes<Entry> {
  /** The bus has these. */
  readonly accepted: (events: readonly TakenEvent[]) => void;
  /** The bus does not take it, ever. */
  readonly refused: (refusal: Refusal<Entry>) => void;
  /** The pipeline does not let it pass. */
  readonly rejected: (event: TakenEvent, why: Failure) => void;
}

export function createOutcomes<Entry>(options: OutcomesOptions<Entry>): Outcomes<Entry> {
  const { supply, pipeline, outlet, stats, latency, log } = options;
  const logDeadLetter = createRarely((events, eventId: string, { stage, code }: Failure) =>
    log.warn({ eventId, stage, code, events }, 'Events became dead letters'),
  );

  function giveUp(event: TakenEvent, why: Failure): void {
    stats.counts.failed += 1;
    supply.giveUp(event, letterOf(event, why, pipeline.versions));
    logDeadLetter(event.eventId, why);
  }

  return {
    accepted(events) {
      const nowMs = Date.now();
      outlet.stats.counts.published += events.length;
      for (const { takenAtMs } of events) {
        const latencyMs = Math.max(0, nowMs - takenAtMs);
        outlet.stats.latency.add(latencyMs);
        latency.observe(latencyMs / 1000);
      }
      supply.settle(events);
    },
    refused: ({ event, entry, ...why }) =>
      giveUp(event, { ...why, stage: 'publish', transformed: outlet.shownInLetter(entry) }),
    rejected: giveUp,
  };
}
