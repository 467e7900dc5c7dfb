import { createWakeup } from '../../lib/wakeup.ts';
import type { BarredGroups } from './barred-groups.ts';
import type { BusGate } from './bus-gate.ts';
import type { BusPace } from './bus-pace.ts';
import type { Deliver } from './delivery.ts';
import type { PendingEvent } from './pending-event.ts';
import type { PublishQueue } from './publish-queue.ts';

export interface DispatcherOptions<Entry> {
  readonly queue: PublishQueue<Entry>;
  readonly gate: Pick<BusGate, 'open' | 'holdMs' | 'seeking'>;
  readonly pace: Pick<BusPace, 'waitMs' | 'started'>;
  /** Calls at once. */
  readonly maxInFlight: number;
  readonly deliver: Deliver<Entry>;
  readonly barred: Pick<BarredGroups, 'find'>;
  /** How long an event waits for others to fill its batch, in milliseconds. */
  readonly lingerMs: number;
  /** The queue may have become shorter. */
  readonly onSent: () => void;
}

/** Decides when the next call starts, and with what. */
export interface Dispatcher {
  /** There may be something to send. */
  wake(): void;
  /** Sends a batch while the gate is closed; whether the bus took any of it, or nothing waits. */
  probe(): Promise<boolean>;
  readonly inFlight: number;
  readonly paused: boolean;
  pause(): void;
  resume(): void;
  readonly draining: boolean;
  /** From now on nothing lingers. */
  beginDrain(): void;
  drain(signal: AbortSignal): Promise<void>;
  stop(): void;
}

export function createDispatcher<Entry>(options: DispatcherOptions<Entry>): Dispatcher {
  const { queue, gate, pace, maxInFlight, deliver, barred, lingerMs, onSent } = options;
  const idle = createWakeup();
  let inFlight = 0;
  let paused = false;
  let draining = false;
  let stopped = false;
  let timer: NodeJS.Timeout | undefined;

  const canSend = () =>
    gate.open && !paused && queue.size > 0 && inFlight < maxInFlight && !stopped;

  function lingerLeftMs(): number {
    return queue.full || draining ? 0 : lingerMs - performance.now() + queue.oldestMs;
  }

  function wake(): void {
    clearTimeout(timer);
    while (canSend()) {
      const waitMs = Math.max(gate.holdMs, pace.waitMs, lingerLeftMs());
      if (waitMs > 0) {
        timer = setTimeout(wake, waitMs);
        break;
      }
      void send(queue.takeBatch());
    }
    onSent();
    if (inFlight === 0) idle.wake();
  }

  async function send(batch: readonly PendingEvent<Entry>[]): Promise<boolean> {
    inFlight += 1;
    pace.started();
    try {
      return await deliver(batch);
    } finally {
      inFlight -= 1;
      wake();
    }
  }

  function beginDrain(): void {
    draining = true;
    wake();
  }

  return {
    wake,
    async probe() {
      if (paused) return true;
      // Where all that waits is delayed, nothing is proven yet.
      if (queue.size === 0) return queue.delayed === 0;
      return send(
        gate.seeking
          ? queue.takeProbe((group) => barred.find(group) !== undefined)
          : queue.takeBatch('new'),
      );
    },
    get inFlight() {
      return inFlight;
    },
    get paused() {
      return paused;
    },
    pause() {
      paused = true;
      // A drain that waits for a call to start has nothing to wait for now.
      wake();
    },
    resume() {
      paused = false;
      wake();
    },
    get draining() {
      return draining;
    },
    beginDrain,
    async drain(signal) {
      beginDrain();
      const isBusy = () => inFlight > 0 || canSend();
      while (isBusy()) await idle.wait(signal);
    },
    stop() {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
