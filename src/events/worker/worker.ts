import { BridgeError } from '../../errors.ts';
import { createAvailability, errorFacts } from '../../lib/health/availability.ts';
import type { Health } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Registry } from '../../lib/metrics.ts';
import { createRarely } from '../../lib/rarely.ts';
import { sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import { type Failure, letterOf } from '../dead-letters/letter.ts';
import { createDeadLetterSender } from '../dead-letters/letter-sender.ts';
import { createBacklog } from '../journal/backlog.ts';
import { createGroupCommit, type EventToTake } from '../journal/group-commit.ts';
import type { Journal } from '../journal/journal.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetterQueue, EventBus, EventSource } from '../ports.ts';
import { createPublisher, type PublisherOptions } from '../publish/publisher.ts';
import type { TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import { createHoldBack } from './hold-back.ts';
import { createIntake } from './intake.ts';
import { keepRunning } from './keep-running.ts';
import { createStreamReader } from './stream-reader.ts';
import { createTransformLoop } from './transform-loop.ts';
import { createPipelineMetrics } from './worker-metrics.ts';
import { describeWorker, type WorkerStatus } from './worker-status.ts';

export interface WorkerOptions {
  readonly source: EventSource;
  readonly bus: EventBus;
  readonly queue: DeadLetterQueue;
  readonly pipeline: Pipeline;
  /** Closed by its owner, after `stop`. */
  readonly journal: Journal;
  readonly stats: PipelineStats;
  readonly health: Health;
  readonly registry: Registry;
  readonly log: Logger;
  /** Use this subscription and never create one. */
  readonly subscriptionId?: string | undefined;
  /** Upper bound of the back-off between connections to the stream, in milliseconds. */
  readonly streamRetryMaxMs: number;
  readonly publish: Pick<PublisherOptions, 'lingerMs' | 'maxInFlight' | 'retry'>;
  /** Events in memory at once; more wait in the journal. Default 2000. */
  readonly windowEvents?: number | undefined;
  /** Their JSON text, in bytes. Default 16 MiB. */
  readonly windowBytes?: number | undefined;
  /** How often bus and queue are checked while all is well, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
  /** Bounds of every other back-off: queue, schema, disk. Default 1 s to 30 s. */
  readonly backOff?: { readonly baseMs: number; readonly capMs: number } | undefined;
  readonly sleep?: Sleep | undefined;
}

export type WorkerState = 'stopped' | 'running' | 'paused' | 'stopping';

/** Events from the stream to the bus: read, journal, transform, validate, publish, settle. */
export interface Worker {
  /** Begins, once; a bus, queue or source that is away is waited for in the background. */
  start(): void;
  /**
   * Stops reading, then publishes what is in memory until the signal aborts. What is left is in
   * the journal.
   */
  stop(signal?: AbortSignal): Promise<void>;
  /** Publishes nothing more; reading goes on into the journal, so that nothing is missed. */
  pause(): void;
  resume(): void;
  /**
   * Takes events again that were taken before. Committed when it returns.
   * @throws BridgeError `worker_not_running`, `journal_full` or `journal_cannot_write`: nothing was taken.
   */
  takeAgain(events: readonly EventToTake[]): void;
  readonly state: WorkerState;
  status(): WorkerStatus;
}

const BACK_OFF = { baseMs: 1000, capMs: 30_000 };

export function createWorker(options: WorkerOptions): Worker {
  const { source, bus, queue, pipeline, journal, stats, health, log } = options;
  const { sleep = realSleep, checkMs, backOff = BACK_OFF } = options;
  const { counts } = stats;
  const logDeadLetter = createRarely((events, eventId: string, { stage, code }: Failure) =>
    log.warn({ eventId, stage, code, events }, 'Events became dead letters'),
  );
  const availability = (name: string, what: string) =>
    createAvailability({ what, reporter: health.dependency(name), log });
  const journalAvailability = availability('journal', 'The event journal');
  journalAvailability.up();

  let state: WorkerState = 'stopped';
  const reading = new AbortController();
  const running = new AbortController();
  let loops: Promise<unknown>[] = [];

  const backlog = createBacklog({
    journal,
    maxEvents: options.windowEvents ?? 2000,
    maxBytes: options.windowBytes ?? 16 * 1024 * 1024,
  });
  const groupCommit = createGroupCommit({
    journal,
    availability: journalAvailability,
    stats,
    retryMs: backOff.baseMs,
    onTaken(events) {
      backlog.offer(events);
      transformLoop.wake();
    },
    onLetters: () => sender.wake(),
  });
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
  const publisher = createPublisher({
    bus,
    availability: availability('bus', 'The event bus'),
    stats,
    ...options.publish,
    onAccepted,
    onRefused: ({ event, entry, ...why }) =>
      giveUp(event, { ...why, stage: 'publish', transformed: entry }),
    checkMs,
    sleep,
  });
  const transformLoop = createTransformLoop({
    backlog,
    pipeline,
    publisher,
    stats,
    onRejected: giveUp,
    backOff,
    log,
    sleep,
  });
  const holdBack = createHoldBack({
    memory: backlog,
    isEmptying: () => publisher.open && !publisher.paused && !transformLoop.held,
    commit: () => groupCommit.flush(),
  });
  const intake = createIntake({ pipeline, journal, groupCommit, stats, holdBack });
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
    onItems: intake,
    retry: {
      baseMs: Math.min(backOff.baseMs, options.streamRetryMaxMs),
      capMs: options.streamRetryMaxMs,
    },
    sleep,
  });
  const metrics = createPipelineMetrics({
    registry: options.registry,
    stats,
    journal,
    publisher,
    reader,
  });

  function onAccepted(events: readonly TakenEvent[]): void {
    const nowMs = Date.now();
    counts.published += events.length;
    for (const event of events) {
      const latencyMs = Math.max(0, nowMs - event.takenAtMs);
      stats.latency.add(latencyMs);
      metrics.published(latencyMs);
      groupCommit.settle(event.seq);
      backlog.release(event);
    }
    transformLoop.wake();
  }

  function giveUp(event: TakenEvent, why: Failure): void {
    counts.failed += 1;
    groupCommit.giveUp(letterOf(event, why, pipeline.versions), event.seq);
    logDeadLetter(event.eventId, why);
    backlog.release(event);
    transformLoop.wake();
  }

  /** Each part runs in a loop of its own, until its signal. */
  function run(
    name: string,
    part: { run(signal: AbortSignal): Promise<unknown> },
    { signal }: AbortController,
  ) {
    const loop = (signal: AbortSignal) => part.run(signal);
    return keepRunning({ name, run: loop, signal, restMs: backOff.baseMs, log, sleep });
  }

  async function drain(signal: AbortSignal): Promise<void> {
    backlog.stopLoading();
    publisher.beginDrain();
    if (publisher.open) await transformLoop.drain(signal);
    await publisher.drain(signal);
    if (groupCommit.flush()) await sender.drain(signal);
  }

  return {
    start() {
      if (loops.length > 0) throw new Error('A worker runs once');
      state = 'running';
      loops = [
        run('reader', reader, reading),
        run('publisher', publisher, running),
        run('dead letters', sender, running),
        run('transform', transformLoop, running),
      ];
    },
    async stop(signal = AbortSignal.timeout(10_000)) {
      if (state === 'stopped' || state === 'stopping') return;
      const wasPaused = state === 'paused';
      state = 'stopping';
      reading.abort(new Error('The worker stops'));
      groupCommit.flush();
      try {
        // Paused, nothing new is sent, but answers to calls under way still settle their events.
        await (wasPaused ? publisher.drain(signal) : drain(signal));
      } catch (error) {
        if (!signal.aborted) throw error;
        log.warn({ left: journal.events }, 'Not all events were published before the stop');
      } finally {
        running.abort(new Error('The worker stops'));
        publisher.stop();
        await Promise.all(loops);
        groupCommit.flush();
        groupCommit.stop();
        state = 'stopped';
      }
    },
    pause() {
      if (state !== 'running') return;
      state = 'paused';
      transformLoop.pause();
      publisher.pause();
      log.info('The worker is paused: events go to the journal only');
    },
    resume() {
      if (state !== 'paused') return;
      state = 'running';
      publisher.resume();
      transformLoop.resume();
      log.info('The worker is resumed');
    },
    takeAgain(events) {
      if (state !== 'running' && state !== 'paused') {
        throw new BridgeError('The worker is not running: it takes no events', {
          code: 'worker_not_running',
          kind: 'systemic',
        });
      }
      if (journal.full) {
        throw new BridgeError('The journal is full: publish or settle what is in it first', {
          code: 'journal_full',
          kind: 'retry',
        });
      }
      groupCommit.takeAgain(events);
    },
    get state() {
      return state;
    },
    status: () =>
      describeWorker(state, { reader, transformLoop, publisher, sender, journal, stats }),
  };
}
