import { createAvailability, errorFacts } from '../../lib/health/availability.ts';
import type { Health } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Registry } from '../../lib/metrics.ts';
import type { Sleep } from '../../lib/retry.ts';
import { createDeadLetterSender, type DeadLetterSender } from '../dead-letters/letter-sender.ts';
import { type Backlog, createBacklog } from '../journal/backlog.ts';
import { createGroupCommit, type GroupCommit } from '../journal/group-commit.ts';
import type { Journal } from '../journal/journal.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BusEntry, DeadLetterQueue, EventSource } from '../ports.ts';
import { createPublisher, type Publisher, type PublisherOptions } from '../publish/publisher.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import { createFailureStop, type FailureStop } from './failure-stop.ts';
import { createHoldBack } from './hold-back.ts';
import { createIntake } from './intake.ts';
import { createOutcomes } from './outcomes.ts';
import { createStreamReader, type StreamReader } from './stream-reader.ts';
import { createTransformLoop, type TransformLoop } from './transform-loop.ts';
import {
  createLatencyMetric,
  registerOutletMetrics,
  registerReaderMetrics,
} from './worker-metrics.ts';
import type { WorkerOutlet } from './worker-outlet.ts';

export interface WorkerPartsOptions<Entry = BusEntry> {
  readonly source: EventSource;
  readonly outlet: WorkerOutlet<Entry>;
  readonly queue: DeadLetterQueue;
  readonly pipeline: Pick<Pipeline, 'filter' | 'versions'>;
  /** Closed by its owner. */
  readonly journal: Journal;
  readonly stats: PipelineStats;
  readonly health: Health;
  readonly registry: Registry;
  readonly log: Logger;
  /** Use this subscription and never create one. */
  readonly subscriptionId?: string | undefined;
  /** Upper bound of the back-off between connections to the stream, in milliseconds. */
  readonly streamRetryMaxMs: number;
  readonly publish: Pick<PublisherOptions, 'lingerMs' | 'maxInFlight' | 'retry' | 'checkMs'>;
  /** Events in memory at once; more wait in the journal. Default 2000. */
  readonly windowEvents?: number | undefined;
  /** How often the queue is checked while all is well, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
  /** Bounds of every other back-off: queue, schema, disk. */
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

export interface WorkerParts<Entry = BusEntry> {
  readonly reader: StreamReader;
  readonly groupCommit: GroupCommit;
  readonly supply: Backlog;
  readonly failureStop: FailureStop | undefined;
  readonly transformLoop: TransformLoop;
  readonly publisher: Publisher<Entry>;
  readonly sender: DeadLetterSender;
}

/** What a worker is made of: stream -> intake -> journal -> transform loop -> publisher. */
export function createWorkerParts<Entry>(options: WorkerPartsOptions<Entry>): WorkerParts<Entry> {
  const { source, outlet, queue, pipeline, journal, stats, health, registry, log } = options;
  const { streamRetryMaxMs, checkMs, backOff, sleep } = options;
  const availability = (name: string, what: string, role = 'reader') =>
    createAvailability({ what, reporter: health.dependency(name, { role }), log });
  const journalAvailability = availability('journal', 'The event journal');
  journalAvailability.up();

  const groupCommit = createGroupCommit({
    journal,
    availability: journalAvailability,
    stats,
    retryMs: backOff.baseMs,
    onTaken: (events) => backlog.offer(events),
    onLetters: () => sender.wake(),
  });
  const backlog = createBacklog({ journal, groupCommit, maxEvents: options.windowEvents });
  const sender = createDeadLetterSender({
    journal,
    queue,
    availability: availability('queue', 'The dead-letter queue'),
    log,
    onSent: (seqs) => groupCommit.sent(seqs),
    flush: () => groupCommit.flush(),
    retry: backOff,
    checkMs,
    sleep,
  });
  const outcomes = createOutcomes({
    supply: backlog,
    pipeline,
    outlet,
    stats,
    latency: createLatencyMetric(registry, outlet),
    log,
  });
  const publisher = createPublisher({
    bus: outlet.port,
    availability: availability(outlet.name, outlet.what, outlet.role),
    stats: outlet.stats,
    log,
    ...options.publish,
    onAccepted: outcomes.accepted,
    onRefused: outcomes.refused,
    sleep,
  });
  // What goes to the buffer has not been through the pipeline.
  const failureStop =
    outlet.name === 'buffer'
      ? undefined
      : createFailureStop({
          pipeline,
          availability: availability('pipeline', 'The event pipeline', outlet.role),
          recall: () => journal.recall('failures'),
          remember: (decision) => journal.remember('failures', decision),
          checkMs: backOff.baseMs,
          log,
        });
  const transformLoop = createTransformLoop({
    supply: backlog,
    entryOf: (event) => outlet.entryOf(event),
    publisher,
    stats: outlet.stats,
    failureStop,
    onRejected: outcomes.rejected,
    backOff,
    log,
    sleep,
  });
  const holdBack = createHoldBack({
    supply: backlog,
    isEmptying: () => publisher.open && !publisher.paused && !transformLoop.held,
    commit: () => groupCommit.flush(),
  });
  const reader = createStreamReader({
    source,
    availability: availability('stream', 'The event stream'),
    subscriptionId: options.subscriptionId,
    recall: () => journal.recall('subscription'),
    remember(id) {
      try {
        journal.remember('subscription', id);
      } catch (error) {
        log.warn(errorFacts(error), 'The subscription is not remembered across a restart');
      }
    },
    onItems: createIntake({
      pipeline,
      journal,
      groupCommit,
      stats,
      holdBack,
      isShared: outlet.name === 'buffer',
      log,
    }),
    retry: { baseMs: Math.min(backOff.baseMs, streamRetryMaxMs), capMs: streamRetryMaxMs },
    sleep,
  });
  registerReaderMetrics(registry, { journal, reader, stats });
  registerOutletMetrics(registry, outlet, { publisher, transformLoop });
  return { reader, groupCommit, supply: backlog, failureStop, transformLoop, publisher, sender };
}
