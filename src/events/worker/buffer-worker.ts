import { sleep as realSleep } from '../../lib/retry.ts';
import { type BufferWorkerPartsOptions, createBufferWorkerParts } from './buffer-worker-parts.ts';
import { keepRunning } from './keep-running.ts';
import type { WorkerState } from './worker.ts';

/** Back-off: 1 s to 30 s by default. */
export type BufferWorkerOptions = Omit<BufferWorkerPartsOptions, 'backOff' | 'sleep'> &
  Partial<Pick<BufferWorkerPartsOptions, 'backOff' | 'sleep'>>;

/** Events from the shared buffer to the bus: hold, transform, validate, publish, settle. */
export interface BufferWorker {
  start(): void;
  /**
   * Holds nothing more, publishes what is in memory until the signal aborts, and gives the rest
   * back: others have it at once.
   */
  stop(signal?: AbortSignal): Promise<void>;
  readonly state: WorkerState;
  readonly heldByFailures: boolean;
  /** With `acceptFailures` it goes on although most events fail. */
  resume(options: { readonly acceptFailures?: boolean }): void;
  status(): Readonly<Record<string, unknown>>;
}

/** Of looks at the buffer and the queues while they fail: used again soon after they are back. */
const BACK_OFF = { baseMs: 1000, capMs: 2000 };
/** Of a stop's time, what giving back the rest gets, in milliseconds. */
const GIVE_BACK_MS = 3000;

export function createBufferWorker(options: BufferWorkerOptions): BufferWorker {
  const { log, backOff = BACK_OFF, sleep = realSleep } = options;
  const parts = createBufferWorkerParts({ ...options, backOff, sleep });
  const { holds, letters, supply, publisher, failureStop, transformLoop, counts } = parts;
  const holding = new AbortController();
  const running = new AbortController();
  let state: WorkerState = 'stopped';
  let loops: Promise<unknown>[] = [];

  function run(
    name: string,
    part: { run(signal: AbortSignal): Promise<unknown> },
    { signal }: AbortController,
  ) {
    const loop = (until: AbortSignal) => part.run(until);
    return keepRunning({ name, run: loop, signal, restMs: backOff.baseMs, log, sleep });
  }

  async function drain(signal: AbortSignal): Promise<void> {
    publisher.beginDrain();
    if (publisher.open) await transformLoop.drain(signal);
    await publisher.drain(signal);
    await letters.drain(signal);
    await holds.drain(signal);
  }

  return {
    start() {
      if (loops.length > 0) throw new Error('A worker runs once');
      state = 'running';
      loops = [
        run('buffer', supply, holding),
        run('holds', holds, running),
        run('publisher', publisher, running),
        run('dead letters', letters, running),
        run('transform', transformLoop, running),
      ];
    },
    async stop(signal = AbortSignal.timeout(10_000)) {
      if (state !== 'running') return;
      state = 'stopping';
      holding.abort(new Error('The worker stops'));
      try {
        await drain(signal);
      } catch (error) {
        if (!signal.aborted) throw error;
        log.warn({ left: supply.inMemory }, 'Not all events were published before the stop');
      } finally {
        publisher.stop();
        const giveBackUntil = AbortSignal.timeout(GIVE_BACK_MS);
        await letters.giveBackAll(giveBackUntil);
        await supply.giveBackAll(giveBackUntil);
        running.abort(new Error('The worker stops'));
        await Promise.all(loops);
        state = 'stopped';
      }
    },
    get state() {
      return state;
    },
    get heldByFailures() {
      return failureStop.held;
    },
    resume({ acceptFailures = false }) {
      if (acceptFailures && state === 'running') failureStop.accept();
    },
    status: () => ({
      state,
      held: transformLoop.held,
      bus: {
        open: publisher.open,
        inFlight: publisher.inFlight,
        inFlightLimit: publisher.inFlightLimit,
        callsPerSecond: publisher.callsPerSecond,
        waiting: publisher.waiting,
        delayed: publisher.delayed,
      },
      buffer: { inMemory: supply.inMemory, oldestAgeMs: supply.ageMs, ...counts },
    }),
  };
}
