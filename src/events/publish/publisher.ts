import type { Availability } from '../../lib/health/availability.ts';
import type { Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import { tooLarge } from '../entry-size.ts';
import type { BusEntry, Outlet } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import { createBarredGroups } from './barred-groups.ts';
import { createBusGate } from './bus-gate.ts';
import { createBusPace } from './bus-pace.ts';
import { createDelivery, type DeliveryOptions } from './delivery.ts';
import { createDispatcher } from './dispatcher.ts';
import { createPendingEvent } from './pending-event.ts';
import { createPublishQueue } from './publish-queue.ts';

export interface PublisherOptions<Entry = BusEntry>
  extends Pick<
    DeliveryOptions<Entry>,
    'retry' | 'onAccepted' | 'onRefused' | 'stats' | 'log' | 'random'
  > {
  readonly bus: Outlet<Entry>;
  /** Reports the dependency `bus`. */
  readonly availability: Availability;
  /** How long an event waits for others to fill its batch, in milliseconds. */
  readonly lingerMs: number;
  readonly maxInFlight: number;
  readonly checkMs?: number | undefined;
  /** Upper bound of a rest that the bus asks for, in milliseconds. Default five minutes. */
  readonly maxHoldMs?: number | undefined;
  readonly sleep?: Sleep | undefined;
}

/**
 * Publishes in full batches with a bounded number of calls in flight. What becomes of a failure:
 * an entry's own passing error is retried and then refused; a refused batch is split until the
 * guilty entry is alone; what is throttled goes first again, at one pace for all calls; throttling,
 * time-outs and failing calls use up no retries; an outage or a
 * systemic error closes the gate, and everything waits. Where the bus bars single sources or types of
 * event, the others go on, and what is barred is retried and then refused. A `Retry-After` is for the bus, not for the
 * events of that call: no call starts before.
 */
export interface Publisher<Entry = BusEntry> {
  add(event: TakenEvent, entry: Entry): void;
  /** Takes back what waits and is not under way, but the first `keep` of it. */
  withdraw(keep: number): readonly TakenEvent[];
  /** Whether more should be added now; otherwise wait for `whenRoom`. */
  readonly room: boolean;
  whenRoom(signal: AbortSignal): Promise<void>;
  readonly inFlight: number;
  readonly inFlightLimit: number;
  /** Of calls; `undefined` while the bus has not throttled any. */
  readonly callsPerSecond: number | undefined;
  readonly waiting: number;
  readonly delayed: number;
  readonly open: boolean;
  readonly paused: boolean;
  /** Starts no more calls; those under way finish. */
  pause(): void;
  resume(): void;
  /** Checks the bus and keeps probing it while it is away, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** From now on all that comes is sent at once, and there is room for it: no more is taken. */
  beginDrain(): void;
  /** The same; resolves when no call is in flight and nothing more can be sent. */
  drain(signal: AbortSignal): Promise<void>;
  stop(): void;
}

export function createPublisher<Entry = BusEntry>(
  options: PublisherOptions<Entry>,
): Publisher<Entry> {
  const { bus, lingerMs, maxInFlight, retry, onRefused, random } = options;
  const aborted = new AbortController();
  const pace = createBusPace();
  const barred = createBarredGroups();
  const roomWakeup = createWakeup();
  const queue = createPublishQueue<Entry>({
    maxEntries: bus.maxEntries,
    maxBytes: bus.maxBytes,
    onDue: () => dispatcher.wake(),
  });
  const gate = createBusGate({
    bus,
    availability: options.availability,
    retry,
    checkMs: options.checkMs,
    maxHoldMs: options.maxHoldMs,
    probe: () => dispatcher.probe(),
    onOpen: () => dispatcher.wake(),
    onSeek: () => roomWakeup.wake(),
    random,
    sleep: options.sleep,
  });
  const dispatcher = createDispatcher({
    queue,
    gate,
    pace,
    maxInFlight,
    deliver: createDelivery({ ...options, gate, pace, queue, barred, signal: aborted.signal }),
    barred,
    lingerMs,
    onSent() {
      if (hasRoom()) roomWakeup.wake();
    },
  });
  const highWater = 2 * maxInFlight * bus.maxEntries;
  // While it seeks, what the bus takes may be behind much that it does not: the worker's window of
  // events in memory is the bound.
  const hasRoom = () => dispatcher.draining || gate.seeking || queue.size < highWater;

  return {
    add(event, entry) {
      const entryBytes = bus.bytesOf(entry);
      const why = tooLarge(entryBytes, bus);
      if (why !== undefined) {
        onRefused({ event, entry, attempts: 0, retries: 0, cause: 'entry', ...why });
        return;
      }
      const group = bus.groupOf(entry);
      const queuedAtMs = performance.now();
      queue.add(createPendingEvent({ event, entry, group, entryBytes, queuedAtMs }));
      if (queue.full || queue.size === 1) dispatcher.wake();
    },
    withdraw(keep) {
      const withdrawn = queue.withdraw(keep).map(({ event }) => event);
      if (withdrawn.length > 0) roomWakeup.wake();
      return withdrawn;
    },
    get room() {
      return hasRoom();
    },
    async whenRoom(signal) {
      while (!hasRoom()) await roomWakeup.wait(signal);
    },
    get inFlight() {
      return dispatcher.inFlight;
    },
    inFlightLimit: maxInFlight,
    get callsPerSecond() {
      return Number.isFinite(pace.callsPerSecond) ? Math.round(pace.callsPerSecond) : undefined;
    },
    get waiting() {
      return queue.size;
    },
    get delayed() {
      return queue.delayed;
    },
    get open() {
      return gate.open;
    },
    get paused() {
      return dispatcher.paused;
    },
    pause: () => dispatcher.pause(),
    resume: () => dispatcher.resume(),
    run: (signal) => gate.run(signal),
    beginDrain: () => dispatcher.beginDrain(),
    drain: (signal) => dispatcher.drain(signal),
    stop() {
      aborted.abort(new Error('The publisher was stopped'));
      dispatcher.stop();
      queue.stop();
    },
  };
}
