import type { Simulation } from '../../../events/simulation/simulate.ts';
import type { Simulator } from '../../../events/simulation/simulator.ts';
import { createSimulationTally, type SimulationTally } from '../../../events/simulation/tally.ts';
import { createJsonLinesParser, type JsonLine } from '../../../lib/json/json-lines.ts';
import type { JsonObject } from '../../../lib/json-object.ts';
import { Problem } from '../../problem.ts';
import { describeError, problemOf } from '../../problem-of-error.ts';
import type { Answer, Call, Route } from '../../route.ts';
import { NDJSON, ndjson } from '../ndjson.ts';
import {
  factsOf,
  MAX_EVENTS,
  manySimulations,
  overridesOf,
  simulateBody,
  simulationAnswer,
} from './simulate-body.ts';

export interface SimulateRouteOptions {
  readonly simulator: Simulator;
  /** Whether this caller may try another expression, schema or filter. */
  readonly overridesAllowed: (call: Call) => boolean;
  readonly maxLineBytes: number;
}

/** Simulations between two looks at the other requests. */
const TURN = 50;

const DESCRIPTION =
  'Runs the filter, the transformation and the validation of the worker, and publishes nothing. ' +
  'The trace says what each stage did, how long it took and how big the entry would be. ' +
  'An event that the filter leaves out is simulated successfully: its outcome is `skip`. ' +
  `One event or up to ${MAX_EVENTS} as JSON; any number as ${NDJSON}, one event or a list of events a line, ` +
  'answered line by line with a summary at the end: its status is `done`, or `cut_off` with `error` and `code` where the rest was not simulated.';

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
        ? await runInTurns(simulator, events, call.signal)
        : await simulator.runWith(overrides, events, call.signal);
    const tally = createSimulationTally();
    for (const simulation of simulations) tally.add(simulation);
    const report = reportOf(tally);
    const [first] = simulations;
    if (isMany || first === undefined) {
      const results = simulations.map((one, index) => bodyOf(one, { index }));
      return { status: 200, body: { status: 'simulated', results, ...report } };
    }
    return answerOf(first, report);
  }

  const reportOf = ({ report, counts }: SimulationTally) => ({
    report,
    counts: { thisRequest: counts, sinceStart: simulator.sinceStart },
  });

  /** A line is an event or a list of events, as in the stream that the worker reads. */
  async function simulateLines(call: Call, stream: AsyncIterable<Uint8Array>): Promise<undefined> {
    const { signal, response } = call;
    const answer = ndjson(call);
    const parser = createJsonLinesParser({ maxLineBytes: options.maxLineBytes });
    const tally = createSimulationTally();

    const write = async (line: number, simulated: Simulation): Promise<void> => {
      tally.add(simulated);
      answer.write([bodyOf(simulated, { line })]);
      await answer.drained();
    };
    const simulateLine = async (line: JsonLine): Promise<void> => {
      if (!line.ok) {
        await write(line.line, simulator.runUnreadable(line.text, `The line is ${line.reason}`));
        return;
      }
      const events: readonly unknown[] = Array.isArray(line.value) ? line.value : [line.value];
      for (const [index, event] of events.entries()) {
        if (index % TURN === TURN - 1) await nextTurn(signal);
        await write(line.line, await simulator.run(event));
      }
    };

    try {
      for await (const chunk of stream) {
        for (const line of parser.push(chunk)) await simulateLine(line);
      }
      for (const line of parser.end(true)) await simulateLine(line);
    } catch (error) {
      // Before the first line it is an ordinary answer with its own status.
      if (!response.headersSent || response.destroyed) throw error;
      call.log.warn({ error: describeError(error) }, 'The simulation of lines was cut off');
      const { code, message } = problemOf(error);
      answer.end({ status: 'cut_off', error: message, code, ...reportOf(tally) });
      return undefined;
    }
    answer.end({ status: 'done', ...reportOf(tally) });
    return undefined;
  }

  return {
    method: 'post',
    path: '/simulate',
    role: 'simulate',
    operationId: 'simulate',
    summary: 'What the event pipeline would do with an interaction',
    description: DESCRIPTION,
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
        : simulateLines(call, call.stream);
    },
  };
}

async function runInTurns(
  simulator: Simulator,
  events: readonly unknown[],
  signal: AbortSignal,
): Promise<Simulation[]> {
  const simulations: Simulation[] = [];
  for (const event of events) {
    if (simulations.length % TURN === TURN - 1) await nextTurn(signal);
    simulations.push(await simulator.run(event));
  }
  return simulations;
}

function answerOf(simulated: Simulation, report: object): Answer {
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
function bodyOf({ error, ...simulated }: Simulation, place: object = {}, report: object = {}) {
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

async function nextTurn(signal: AbortSignal): Promise<void> {
  await new Promise(setImmediate);
  signal.throwIfAborted();
}
