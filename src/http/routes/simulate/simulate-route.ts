import type { Simulation } from '../../../events/simulation/simulate.ts';
import type { Simulator } from '../../../events/simulation/simulator.ts';
import { createSimulationTally } from '../../../events/simulation/tally.ts';
import type { JsonObject } from '../../../lib/json-object.ts';
import { Problem } from '../../problem.ts';
import type { Answer, Call, Route } from '../../route.ts';
import { NDJSON } from '../ndjson.ts';
import { answerOf, bodyOf, reportOf } from './simulate-answer.ts';
import {
  factsOf,
  MAX_EVENTS,
  manySimulations,
  overridesOf,
  simulateBody,
  simulationAnswer,
} from './simulate-body.ts';
import { simulateLines, TURN } from './simulate-lines.ts';

export interface SimulateRouteOptions {
  readonly simulator: Simulator;
  /** Whether this caller may try another expression, schema or filter. */
  readonly overridesAllowed: (call: Call) => boolean;
  readonly maxLineBytes: number;
}

/** What the event pipeline would do with an interaction, and why. Nothing is published. */
export function simulateRoute(
  options: SimulateRouteOptions,
): Route<object, JsonObject | undefined> {
  const { simulator } = options;

  async function simulateAll(call: Call, input: JsonObject): Promise<Answer> {
    const overrides = overridesOf(input);
    const many = input['events'];
    const isMany = Array.isArray(many);
    const events: readonly unknown[] = isMany
      ? many
      : [Object.hasOwn(input, 'event') ? input['event'] : simulator.sampleEvent(factsOf(input))];
    if (overrides !== undefined && !options.overridesAllowed(call)) {
      throw new Problem(
        403,
        'overrides_not_allowed',
        'Trying another expression, schema or filter needs SIMULATE_OVERRIDES=true, or the role operate.',
      );
    }
    const simulations =
      overrides === undefined
        ? await runInTurns(simulator, events, call.turn)
        : await simulator.runWith(overrides, events, call.signal);
    const tally = createSimulationTally();
    for (const simulation of simulations) tally.add(simulation);
    const report = reportOf(simulator, tally);
    const [first] = simulations;
    if (isMany || first === undefined) {
      const results = simulations.map((one, index) => bodyOf(one, { index }));
      return { status: 200, body: { status: 'simulated', results, ...report } };
    }
    return answerOf(first, report);
  }

  return {
    method: 'post',
    path: '/simulate',
    role: 'simulate',
    operationId: 'simulate',
    summary: 'What the event pipeline would do with an interaction',
    description:
      'Runs the filter, the transformation and the validation of the worker, and publishes nothing. ' +
      'The trace says what each stage did, how long it took and how big the entry would be. ' +
      'An event that the filter leaves out is simulated successfully: its outcome is `skip`. ' +
      `One event or up to ${MAX_EVENTS} as JSON; any number as ${NDJSON}, one event or a list of events a line, ` +
      'answered line by line with a summary at the end: its status is `done`, or `cut` with `error` and `code` where the rest was not simulated.',
    tag: 'Events',
    body: simulateBody,
    bodyOptional: true,
    streams: [NDJSON],
    example: { interactionId: 'b1f2c5de-1d4e-4c39-8f5e-6a7b8c9d0e1f', type: 'voice' },
    responses: {
      200: {
        description: 'It would be published, or left out by the filter; or the results of several',
        schema: { anyOf: [simulationAnswer, manySimulations] },
        mediaTypes: [NDJSON],
      },
      400: {
        description:
          'It would become a dead letter (status `validation_failed`); or the request is malformed (a problem)',
        schema: simulationAnswer,
      },
      403: { description: 'The caller may not try another expression, schema or filter' },
      422: {
        description: 'What was tried is not usable, or used up more time, memory, depth or items',
      },
      503: {
        description: 'The event schema has not been loaded yet, or too many are trying something',
      },
    },
    async handle(call) {
      return call.stream === undefined
        ? simulateAll(call, call.body ?? {})
        : simulateLines(options, call, call.stream);
    },
  };
}

async function runInTurns(
  simulator: Simulator,
  events: readonly unknown[],
  turn: Call['turn'],
): Promise<Simulation[]> {
  const simulations: Simulation[] = [];
  for (const event of events) {
    if (simulations.length % TURN === TURN - 1) await turn();
    simulations.push(await simulator.run(event));
  }
  return simulations;
}
