import type { Simulation } from '../../../events/simulation/simulate.ts';
import type { Simulator } from '../../../events/simulation/simulator.ts';
import type { SimulationTally } from '../../../events/simulation/tally.ts';
import { Problem } from '../../problem.ts';
import type { Answer } from '../../route.ts';

/** What was simulated, by this request and in all. */
export function reportOf({ sinceStart }: Simulator, { report, counts }: SimulationTally) {
  return { report, counts: { thisRequest: counts, sinceStart } };
}

export function answerOf(simulated: Simulation, report: object): Answer {
  if (simulated.outcome === 'pause') {
    const detail = simulated.error?.message ?? 'The pipeline waits.';
    throw new Problem(503, simulated.error?.code ?? 'schema_unavailable', detail, {
      headers: { 'retry-after': '5' },
      members: { outcome: simulated.outcome },
    });
  }
  const status = simulated.outcome === 'dead-letter' ? 400 : 200;
  return { status, body: bodyOf(simulated, {}, report) };
}

/** The members in the order in which people read them. */
export function bodyOf(
  { error, ...simulated }: Simulation,
  place: object = {},
  report: object = {},
) {
  const isGood = simulated.outcome === 'publish' || simulated.outcome === 'skip';
  const { outcome, originalEvent, transformedEvent, latencyMs, errors, warnings, trace } =
    simulated;
  return {
    ...place,
    status: isGood ? 'simulated' : 'validation_failed',
    outcome,
    error: error?.message,
    code: error?.code,
    errors: error === undefined ? undefined : errors,
    originalEvent,
    transformedEvent,
    latencyMs,
    ...report,
    warnings: warnings.length === 0 ? undefined : warnings,
    trace,
  };
}
