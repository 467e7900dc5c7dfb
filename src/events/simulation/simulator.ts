import { randomUUID } from 'node:crypto';
import type { ExpressionLimits } from '../../lib/expression/expression.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import { Counter, type Registry } from '../../lib/metrics.ts';
import type { LivePipeline } from '../pipeline/live-pipeline.ts';
import { createSampleEvent, type InteractionFacts } from '../pipeline/sample-event.ts';
import type { EntryLimits } from '../ports.ts';
import type { OverrideJob } from './override-child.ts';
import { createOverrideRunner, type OverrideRunnerOptions } from './override-runner.ts';
import { type Simulation, simulate, toSimulation, unreadable } from './simulate.ts';
import { createSimulationTally, type SimulationCounts } from './tally.ts';

export interface SimulatorOptions {
  /** The one that the worker uses. */
  readonly pipeline: LivePipeline;
  /** How the bus measures an entry. There is nothing here with which one could send. */
  readonly entryLimits: EntryLimits;
  readonly expressionLimits: ExpressionLimits;
  readonly overrides: OverrideRunnerOptions;
  readonly registry: Registry;
  readonly now?: () => Date;
}

/** What is tried instead of what is configured. */
export interface Overrides {
  readonly expression?: string;
  readonly schema?: unknown;
  readonly filter?: unknown;
}

export interface Simulator {
  sampleEvent(facts: InteractionFacts): unknown;
  run(event: unknown): Promise<Simulation>;
  /** A line of a stream that holds no event. */
  runUnreadable(text: string, reason: string): Simulation;
  /** In a process of its own. @throws what OverrideRunner.run throws. */
  runWith(
    overrides: Overrides,
    events: readonly unknown[],
    signal: AbortSignal,
  ): Promise<Simulation[]>;
  /** All simulations since the start. They have counters of their own; the pipeline's never move. */
  readonly sinceStart: SimulationCounts;
  stop(): Promise<void>;
}

/** What a child process may answer, in characters. */
const MAX_RESULT_LENGTH = 16 * 1024 * 1024;

export function createSimulator(options: SimulatorOptions): Simulator {
  const { pipeline, entryLimits } = options;
  const now = options.now ?? (() => new Date());
  const runner = createOverrideRunner(options.overrides);
  const sinceStart = createSimulationTally();
  const counter = new Counter({
    name: 'simulations_total',
    help: 'Simulated events by what the worker would have done with them',
    labelNames: ['outcome'],
    registers: [options.registry],
  });
  const counters = {
    publish: counter.labels('publish'),
    skip: counter.labels('skip'),
    'dead-letter': counter.labels('dead-letter'),
    pause: counter.labels('pause'),
  };

  function counted(simulation: Simulation): Simulation {
    sinceStart.add(simulation);
    counters[simulation.outcome].inc();
    return simulation;
  }

  return {
    sampleEvent: (facts) => createSampleEvent(facts, { uuid: randomUUID, now }),

    async run(event) {
      const context = { mode: pipeline.sources.mode, limits: entryLimits };
      return counted(await simulate(pipeline, event, context));
    },

    runUnreadable: (text, reason) => counted(unreadable(text, reason)),

    async runWith(overrides, events, signal) {
      const readable = events.filter(isJsonObject);
      const job = jobOf(overrides, readable);
      const results = await runner.run(job, signal);
      const context = { mode: job.mode, limits: entryLimits };
      let next = 0;
      return events.map((event) => {
        const result = isJsonObject(event) ? results[next] : undefined;
        if (result === undefined)
          return counted(unreadable(event, 'The event is not a JSON object'));
        next += 1;
        return counted(toSimulation(event, result, context));
      });
    },

    get sinceStart() {
      return sinceStart.counts;
    },

    stop: async () => runner.stop(),
  };

  function jobOf(overrides: Overrides, events: readonly JsonObject[]): OverrideJob {
    const { sources, versions } = pipeline;
    const { filter, expression, schema } = overrides;
    const tried = 'override';
    return {
      filter:
        filter === undefined
          ? { value: sources.filter, version: versions.filter }
          : { value: JSON.stringify(filter), version: tried },
      expression:
        expression === undefined
          ? { value: sources.expression, version: versions.expression }
          : { value: expression, version: tried },
      schema:
        schema === undefined
          ? { value: sources.schema?.definition, version: versions.schema }
          : { value: { kind: 'file', text: JSON.stringify(schema) }, version: tried },
      // Whoever brings a schema wants to know what it says.
      mode: schema === undefined ? sources.mode : 'enforce',
      limits: options.expressionLimits,
      events,
      maxResultLength: MAX_RESULT_LENGTH,
    };
  }
}
