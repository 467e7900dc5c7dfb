import { reportText } from '../report-text.ts';
import type { Simulation, SimulationOutcome } from './simulate.ts';

export type SimulationCounts = Readonly<Record<SimulationOutcome, number>>;

/** Counts simulations by what the worker would have done. */
export interface SimulationTally {
  add(simulation: Simulation): void;
  readonly counts: SimulationCounts;
  /** As the worker would report them, had it read these events: `[Pipeline Report] Ingested: …`. */
  readonly report: string;
}

export function createSimulationTally(): SimulationTally {
  const counts = { publish: 0, skip: 0, 'dead-letter': 0, pause: 0 };
  let latencyMs = 0;

  return {
    add(simulation) {
      counts[simulation.outcome] += 1;
      if (simulation.outcome === 'publish') latencyMs += simulation.latencyMs;
    },
    get counts() {
      return { ...counts };
    },
    get report() {
      const { publish: published, 'dead-letter': failed, pause } = counts;
      const ingested = published + failed + pause;
      return reportText(
        { ingested, published, failed },
        published === 0 ? 0 : latencyMs / published,
      );
    },
  };
}
