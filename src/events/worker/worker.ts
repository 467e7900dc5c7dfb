import { BridgeError } from '../../errors.ts';
import { sleep as realSleep } from '../../lib/retry.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { BusEntry } from '../ports.ts';
import { keepRunning } from './keep-running.ts';
import { createWorkerParts, type WorkerPartsOptions } from './worker-parts.ts';
import { describeWorker, type WorkerStatus } from './worker-status.ts';

/** Back-off: 1 s to 30 s by default. */
export type WorkerOptions<Entry = BusEntry> = Omit<WorkerPartsOptions<Entry>, 'backOff' | 'sleep'> &
  Partial<Pick<WorkerPartsOptions<Entry>, 'backOff' | 'sleep'>>;

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
  /**
   * Ends a pause. Where most events fail and publishing is held for that, it stays held, unless
   * the failures are accepted.
   */
  resume(options?: { readonly acceptFailures?: boolean | undefined }): void;
  /** Most events fail with the configuration in use: publishing is held. */
  readonly heldByFailures: boolean;
  /**
   * Takes events again that were taken before. Committed when it returns.
   * @throws BridgeError `worker_not_running`, `journal_full` or `journal_cannot_write`: nothing was taken.
   */
  takeAgain(events: readonly EventToTake[]): void;
  readonly state: WorkerState;
  status(): WorkerStatus;
}

const BACK_OFF = { baseMs: 1000, capMs: 30_000 };

export function createWorker<Entry>(options: WorkerOptions<Entry>): Worker {
  const { journal, stats, log, backOff = BACK_OFF, sleep = realSleep } = options;
  const parts = createWorkerParts({ ...options, backOff, sleep });
  const { reader, groupCommit, supply, failureStop, transformLoop, publisher, sender } = parts;
  let state: WorkerState = 'stopped';
  const reading = new AbortController();
  const running = new AbortController();
  let loops: Promise<unknown>[] = [];

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
    supply.stopLoading();
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
    resume({ acceptFailures = false } = {}) {
      if (acceptFailures && (state === 'running' || state === 'paused')) failureStop?.accept();
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
    get heldByFailures() {
      return failureStop?.held === true;
    },
    get state() {
      return state;
    },
    status: () => describeWorker(state, { ...parts, journal, stats }),
  };
}
