import { coerceError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import { fullJitterMs, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { Publisher } from '../publish/publisher.ts';
import type { EventSupply, TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { FailureStop } from './failure-stop.ts';
import type { Made, WorkerOutlet } from './worker-outlet.ts';

export interface TransformLoopOptions<Entry> {
  readonly supply: Pick<EventSupply, 'next' | 'whenNext' | 'waiting'>;
  readonly entryOf: WorkerOutlet<Entry>['entryOf'];
  readonly publisher: Pick<Publisher<Entry>, 'add' | 'room' | 'whenRoom'>;
  readonly stats: PipelineStats;
  /** Where entries are made as they are, nothing can fail. */
  readonly failureStop: FailureStop | undefined;
  readonly onRejected: (event: TakenEvent, why: Extract<Made<Entry>, { ok: false }>) => void;
  /** Between two tries while the schema is not there, in milliseconds. */
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly log: Logger;
  readonly sleep: Sleep;
}

/** Takes events from the supply, in their order, as far ahead as the publisher has room. */
export interface TransformLoop {
  /** Takes no more events; the one under way goes on to the publisher. */
  pause(): void;
  resume(): void;
  /** The schema is not there yet, or most events fail: everything waits. */
  readonly held: boolean;
  run(signal: AbortSignal): Promise<never>;
  /** Resolves when the publisher has all that is in memory, or nothing can be transformed. */
  drain(signal: AbortSignal): Promise<void>;
}

/** Sockets and timers have their turn at least this often, in milliseconds. */
const YIELD_AFTER_MS = 4;

export function createTransformLoop<Entry>(options: TransformLoopOptions<Entry>): TransformLoop {
  const { supply, entryOf, publisher, stats, failureStop, onRejected, backOff, log, sleep } =
    options;
  const resumed = createWakeup();
  const resting = createWakeup();
  let paused = false;
  /** An event is between supply and publisher. */
  let busy = false;
  let held = false;

  /** Nothing is in memory that could go on while this lasts. */
  async function hold(end: Promise<void>): Promise<void> {
    held = true;
    resting.wake();
    await end;
    held = false;
  }

  /** Until the event is with the publisher or rejected. */
  async function transform(event: TakenEvent, signal: AbortSignal): Promise<void> {
    for (let holds = 1; ; ) {
      if (failureStop?.held === true) await hold(failureStop.whenReleased(signal));
      const startedMs = performance.now();
      const result = await makeSafely(event);
      stats.spent('transform', performance.now() - startedMs, 1);
      if (result.ok) {
        failureStop?.passed();
        publisher.add(event, result.entry);
        return;
      }
      if (result.kind === 'reject') {
        if (failureStop?.failed() === true) continue;
        onRejected(event, result);
        return;
      }
      // The event is not to blame: it waits, and all behind it.
      if (holds === 1) log.warn({ code: result.code }, 'The pipeline cannot work: events wait');
      await hold(sleep(fullJitterMs(backOff, holds), signal));
      holds += 1;
    }
  }

  async function makeSafely(event: TakenEvent): Promise<Made<Entry>> {
    try {
      return await entryOf(event);
    } catch (error) {
      // A bug; one event must not hold up the others for ever.
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

  const isWorking = () => (supply.waiting > 0 || busy) && !held;

  return {
    pause() {
      paused = true;
    },
    resume() {
      paused = false;
      resumed.wake();
    },
    get held() {
      return held;
    },
    async run(signal) {
      let yieldedMs = performance.now();
      for (;;) {
        busy = false;
        if (!publisher.room) await publisher.whenRoom(signal);
        const event = paused ? undefined : supply.next();
        if (event === undefined) {
          resting.wake();
          await (paused ? resumed.wait(signal) : supply.whenNext(signal));
          failureStop?.look();
          continue;
        }
        busy = true;
        await transform(event, signal);
        // Promises alone would keep sockets and timers waiting for as long as there is work.
        if (performance.now() - yieldedMs > YIELD_AFTER_MS) {
          failureStop?.look();
          await new Promise(setImmediate);
          yieldedMs = performance.now();
        }
      }
    },
    async drain(signal) {
      while (isWorking()) await resting.wait(signal);
    },
  };
}
