import { createAvailability } from '../../lib/health/availability.ts';
import type { Health } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Registry } from '../../lib/metrics.ts';
import { type Sleep } from '../../lib/retry.ts';
import { createHoldCounts } from '../buffer/buffer-counts.ts';
import { createBufferSupply } from '../buffer/buffer-supply.ts';
import { createHolds } from '../buffer/holds.ts';
import { createLetterOutbox } from '../buffer/letter-outbox.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetterQueue, EventBuffer, EventBus } from '../ports.ts';
import { createPublisher, type PublisherOptions } from '../publish/publisher.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import { createFailureStop } from './failure-stop.ts';
import { registerHoldMetrics } from './hold-metrics.ts';
import { createOutcomes } from './outcomes.ts';
import { createTransformLoop } from './transform-loop.ts';
import { createLatencyMetric, registerOutletMetrics } from './worker-metrics.ts';
import { busOutlet } from './worker-outlet.ts';

export interface BufferWorkerPartsOptions {
  readonly buffer: EventBuffer;
  readonly bus: EventBus;
  readonly queue: DeadLetterQueue;
  readonly pipeline: Pipeline;
  readonly stats: PipelineStats;
  readonly health: Health;
  readonly registry: Registry;
  readonly log: Logger;
  readonly publish: Pick<PublisherOptions, 'lingerMs' | 'maxInFlight' | 'retry'>;
  /** How long an event is held, in seconds; renewed at half of it. */
  readonly holdSeconds: number;
  /** An event that has been held so often becomes a letter `poisoned`. */
  readonly maxHolds: number;
  /** Events in memory at once. Default 2000. */
  readonly windowEvents?: number | undefined;
  /** How often the dead-letter queue is checked while all is well, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

const CHECK_MS = 60_000;

/** What a publisher on the shared buffer is made of: supply -> transform loop -> publisher. */
export function createBufferWorkerParts(options: BufferWorkerPartsOptions) {
  const { buffer, bus, queue, pipeline, stats, health, registry, log, holdSeconds } = options;
  const { windowEvents = 2000, checkMs = CHECK_MS, backOff, sleep } = options;
  const availability = (name: string, what: string, required = true) =>
    createAvailability({
      what,
      reporter: health.dependency(name, { required, role: 'publisher' }),
      log,
    });
  const outlet = busOutlet(bus, pipeline, stats);
  const counts = createHoldCounts();
  const bufferAvailability = availability('buffer', 'The event buffer');

  const holds = createHolds({
    buffer,
    availability: bufferAvailability,
    counts,
    seconds: holdSeconds,
    backOff,
    sleep,
  });
  const letters = createLetterOutbox({
    queue,
    availability: availability('queue', 'The dead-letter queue', false),
    holds,
    counts,
    onGone: (receipt) => supply.letterGone(receipt),
    maxLetters: windowEvents / 2,
    log,
    backOff,
    checkMs,
    sleep,
  });
  const supply = createBufferSupply({
    buffer,
    availability: bufferAvailability,
    holds,
    letters,
    pipeline,
    counts,
    stats,
    log,
    holdSeconds,
    maxHolds: options.maxHolds,
    maxEvents: windowEvents,
    canPublish: () => publisher.open && !transformLoop.held,
    withdraw: (keep) => publisher.withdraw(keep),
    backOff,
    sleep,
  });
  const outcomes = createOutcomes({
    supply,
    pipeline,
    outlet,
    stats,
    latency: createLatencyMetric(registry, outlet),
    log,
  });
  const publisher = createPublisher({
    bus: outlet.port,
    availability: availability('bus', 'The event bus'),
    stats,
    ...options.publish,
    onAccepted: outcomes.accepted,
    onRefused: outcomes.refused,
    sleep,
  });
  // Nothing is written to a disk: a process that starts anew tries the version anew.
  const failureStop = createFailureStop({
    pipeline,
    availability: availability('pipeline', 'The event pipeline'),
    recall: () => undefined,
    remember: () => undefined,
    checkMs: backOff.baseMs,
    log,
  });
  const transformLoop = createTransformLoop({
    supply,
    entryOf: (event) => outlet.entryOf(event),
    publisher,
    stats,
    failureStop,
    onRejected: outcomes.rejected,
    backOff,
    log,
    sleep,
  });
  registerOutletMetrics(registry, outlet, { publisher, transformLoop });
  registerHoldMetrics({ registry, counts, supply });
  return { holds, letters, supply, publisher, failureStop, transformLoop, counts };
}
