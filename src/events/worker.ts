import { BridgeError, coerceError } from '../errors.ts';
import type { Health } from '../lib/health.ts';
import type { Logger } from '../lib/logger.ts';
import type { Registry } from '../lib/metrics.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../lib/retry.ts';
import { createBacklog } from './backlog.ts';
import { createDeadLetterSender } from './dead-letters.ts';
import { createIntake } from './intake.ts';
import type { Job } from './job.ts';
import type { Journal } from './journal.ts';
import { createLedger, type TakenEvent } from './ledger.ts';
import type { Pipeline, Processed } from './pipeline.ts';
import { createPipelineMetrics } from './pipeline-metrics.ts';
import { type PipelineStats, summarize } from './pipeline-stats.ts';
import type { DeadLetterQueue, DeadLetterStage, EventBus, EventSource } from './ports.ts';
import { createPublisher } from './publisher.ts';
import { createStreamReader } from './stream-reader.ts';
import { createTrouble, errorFacts } from './trouble.ts';
import { createWakeup } from './wakeup.ts';

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
  readonly publish: {
    readonly lingerMs: number;
    readonly maxInFlight: number;
    readonly maxRetries: number;
    readonly retryBaseMs: number;
    readonly retryMaxMs: number;
  };
  /** Events in memory at once; more wait in the journal. Default 2000. */
  readonly windowEvents?: number | undefined;
  /** Their JSON text, in bytes. Default 16 MiB. */
  readonly windowBytes?: number | undefined;
  /** How often bus and queue are checked while all is well, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
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
  takeAgain(events: readonly TakenEvent[]): void;
  readonly state: WorkerState;
  status(): WorkerStatus;
}

export interface WorkerStatus {
  readonly worker: Readonly<Record<string, unknown>>;
  readonly pipeline: ReturnType<typeof summarize>;
}

/** Jobs after which the loop lets sockets and timers have their turn, at the latest. */
const YIELD_AFTER_MS = 4;
const RETRY_BASE_MS = 1000;
const RETRY_CAP_MS = 30_000;

export function createWorker(options: WorkerOptions): Worker {
  const { source, bus, queue, pipeline, journal, stats, health, log, publish } = options;
  const { sleep = realSleep, checkMs } = options;
  const { counts } = stats;
  const trouble = (name: string, what: string) =>
    createTrouble({ what, reporter: health.dependency(name), log });
  const journalTrouble = trouble('journal', 'The event journal');
  journalTrouble.up();

  const work = createWakeup();
  let state: WorkerState = 'stopped';
  const reading = new AbortController();
  const running = new AbortController();
  let loops: Promise<unknown>[] = [];
  let busy = false;
  let isHeld = false;
  let burialLoggedMs = 0;
  let unlogged = 0;

  const backlog = createBacklog({
    journal,
    maxJobs: options.windowEvents ?? 2000,
    maxBytes: options.windowBytes ?? 16 * 1024 * 1024,
  });
  const ledger = createLedger({
    journal,
    trouble: journalTrouble,
    onTaken(jobs, again) {
      counts[again ? 'replayed' : 'ingested'] += jobs.length;
      backlog.offer(jobs);
      work.wake();
    },
    onLetters: () => sender.wake(),
    onWrite: (ms, events) => stats.spent('journal', ms, events),
  });
  const sender = createDeadLetterSender({
    journal,
    queue,
    trouble: trouble('queue', 'The dead-letter queue'),
    log,
    onSent: (seqs) => ledger.sent(seqs),
    flush: () => ledger.flush(),
    retry: { baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS },
    checkMs,
    sleep,
  });
  const publisher = createPublisher({
    bus,
    trouble: trouble('bus', 'The event bus'),
    lingerMs: publish.lingerMs,
    maxInFlight: publish.maxInFlight,
    retry: {
      maxRetries: publish.maxRetries,
      baseMs: publish.retryBaseMs,
      capMs: publish.retryMaxMs,
    },
    onAccepted,
    onRefused: (job, { code, message }) => bury(job, 'publish', code, message, job.entry),
    onRetry: (code) => stats.retried(code),
    onCall(entries, ms) {
      counts.busCalls += 1;
      counts.busEntries += entries;
      stats.spent('publish', ms, entries);
    },
    checkMs,
    sleep,
  });
  const reader = createStreamReader({
    source,
    trouble: trouble('stream', 'The event stream'),
    subscriptionId: options.subscriptionId,
    recall: () => journal.recall('subscription'),
    remember(id) {
      try {
        journal.remember('subscription', id);
      } catch (error) {
        log.warn(errorFacts(error), 'The subscription is not remembered across a restart');
      }
    },
    onItems: createIntake({ pipeline, journal, ledger, stats }),
    retry: {
      baseMs: Math.min(RETRY_BASE_MS, options.streamRetryMaxMs),
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

  function onAccepted(jobs: readonly Job[]): void {
    const nowMs = Date.now();
    counts.published += jobs.length;
    for (const job of jobs) {
      const latencyMs = Math.max(0, nowMs - job.takenAtMs);
      stats.latency.add(latencyMs);
      metrics.published(latencyMs);
      ledger.settle(job.seq);
      backlog.release(job);
    }
    work.wake();
  }

  function bury(
    job: Job,
    stage: DeadLetterStage,
    errorCode: string,
    error: string,
    transformedEvent: unknown,
  ): void {
    counts.failed += 1;
    const { expression, schema } = pipeline.versions;
    ledger.bury(
      {
        originalEvent: job.event,
        error,
        timestamp: new Date().toISOString(),
        retryAttempt: job.retries,
        stage,
        errorCode,
        attempts: job.attempts,
        eventId: job.eventId,
        firstSeen: new Date(job.takenAtMs).toISOString(),
        expressionVersion: expression,
        schemaVersion: schema,
        ...(transformedEvent !== undefined && { transformedEvent }),
      },
      job.seq,
    );
    logBurial(job.eventId, stage, errorCode);
    backlog.release(job);
    work.wake();
  }

  /** Once a second at most: a broken expression makes thousands of them. */
  function logBurial(eventId: string, stage: DeadLetterStage, code: string): void {
    unlogged += 1;
    if (Date.now() - burialLoggedMs < 1000) return;
    log.warn({ eventId, stage, code, events: unlogged }, 'Events became dead letters');
    burialLoggedMs = Date.now();
    unlogged = 0;
  }

  /** Transforms in the order of arrival, as far ahead as the publisher has room. */
  async function transformAll(signal: AbortSignal): Promise<void> {
    let yieldedMs = performance.now();
    for (;;) {
      busy = false;
      if (state === 'paused') {
        await work.wait(signal);
        continue;
      }
      if (!publisher.room) await publisher.whenRoom(signal);
      const job = backlog.next();
      if (job === undefined) {
        await work.wait(signal);
        continue;
      }
      busy = true;
      if (job.entry === undefined) await transform(job, signal);
      else publisher.add(job);
      // Promises alone would keep sockets and timers waiting for as long as there is work.
      if (performance.now() - yieldedMs > YIELD_AFTER_MS) {
        await new Promise(setImmediate);
        yieldedMs = performance.now();
      }
    }
  }

  /** Until the event is with the publisher or a dead letter. */
  async function transform(job: Job, signal: AbortSignal): Promise<void> {
    for (let holds = 1; ; holds += 1) {
      const startedMs = performance.now();
      const result = await process(job);
      stats.spent('transform', performance.now() - startedMs, 1);
      if (result.ok) {
        job.entry = result.entry;
        publisher.add(job);
        return;
      }
      if (result.kind === 'reject') {
        bury(job, result.stage, result.code, result.message, result.transformed);
        return;
      }
      // The event is not to blame: it waits, and all behind it, until its schema is there.
      if (holds === 1) log.warn({ code: result.code }, 'The pipeline holds all events');
      isHeld = true;
      busy = false;
      await sleep(fullJitterMs({ baseMs: RETRY_BASE_MS, capMs: RETRY_CAP_MS }, holds), signal);
      isHeld = false;
    }
  }

  async function process(job: Job): Promise<Processed> {
    try {
      return await pipeline.process(job.event, job.eventId);
    } catch (error) {
      // A bug, and the event stays what it is: it must not hold up the others for ever.
      return {
        ok: false,
        stage: 'transform',
        kind: 'reject',
        code: 'pipeline_failed',
        message: coerceError(error).message,
        issues: [],
      };
    }
  }

  /** A loop ends only with its signal; anything else is a bug, or a disk that cannot be read. */
  async function keepRunning(
    name: string,
    run: (signal: AbortSignal) => Promise<unknown>,
    signal: AbortSignal,
  ): Promise<void> {
    while (!signal.aborted) {
      try {
        await run(signal);
      } catch (error) {
        if (signal.aborted) return;
        log.error({ err: error, loop: name }, 'A loop of the worker failed and starts again');
        await sleep(RETRY_BASE_MS, signal).catch(() => undefined);
      }
    }
  }

  async function drain(signal: AbortSignal): Promise<void> {
    backlog.loading = false;
    const isWorking = () => (backlog.waiting > 0 || busy) && publisher.open && !isHeld;
    while (isWorking()) await sleep(5, signal);
    await publisher.drain(signal);
    if (ledger.flush()) await sender.drain(signal);
  }

  return {
    start() {
      if (loops.length > 0) throw new Error('A worker runs once');
      state = 'running';
      loops = [
        keepRunning('reader', (signal) => reader.run(signal), reading.signal),
        keepRunning('publisher', (signal) => publisher.run(signal), running.signal),
        keepRunning('dead letters', (signal) => sender.run(signal), running.signal),
        keepRunning('transform', transformAll, running.signal),
      ];
    },
    async stop(signal = AbortSignal.timeout(10_000)) {
      if (state === 'stopped' || state === 'stopping') return;
      const wasPaused = state === 'paused';
      state = 'stopping';
      reading.abort(new Error('The worker stops'));
      ledger.flush();
      try {
        if (!wasPaused) await drain(signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        log.warn({ left: journal.events }, 'Not all events were published before the stop');
      } finally {
        running.abort(new Error('The worker stops'));
        publisher.stop();
        await Promise.all(loops);
        ledger.flush();
        ledger.stop();
        state = 'stopped';
      }
    },
    pause() {
      if (state !== 'running') return;
      state = 'paused';
      publisher.paused = true;
      log.info('The worker is paused: events go to the journal only');
    },
    resume() {
      if (state !== 'paused') return;
      state = 'running';
      publisher.paused = false;
      work.wake();
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
      ledger.takeAgain(events);
    },
    get state() {
      return state;
    },
    status: () => ({
      worker: {
        state,
        held: isHeld,
        stream: reader.status,
        bus: {
          open: publisher.open,
          inFlight: publisher.inFlight,
          inFlightLimit: publisher.inFlightLimit,
          waiting: publisher.waiting,
          delayed: publisher.delayed,
          averageBatch: counts.busCalls === 0 ? 0 : counts.busEntries / counts.busCalls,
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
    }),
  };
}
