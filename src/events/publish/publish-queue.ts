import { createFifo } from '../../lib/fifo.ts';
import type { PendingEvent } from './pending-event.ts';

export interface PublishQueueOptions {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** The delay of these is over. */
  readonly onDue: () => void;
}

/**
 * Events that are ready for the bus. Batches are taken out when a call may start, not built before:
 * so they are as full as they can be. Repeated events mostly go before new ones.
 */
export interface PublishQueue<Entry> {
  add(event: PendingEvent<Entry>): void;
  /** They go first again, in their order. */
  putBack(events: readonly PendingEvent<Entry>[]): void;
  /** The event comes back after `delayMs`, together with those of the same moment. */
  delay(event: PendingEvent<Entry>, delayMs: number): void;
  /** `first`: which go before the others; default `repeated`. */
  takeBatch(first?: 'repeated' | 'new'): PendingEvent<Entry>[];
  /**
   * One of each group, to find one that the bus takes: those first of which `isBarred` does not say
   * that it took none.
   */
  takeProbe(isBarred: (group: string) => boolean): PendingEvent<Entry>[];
  /** Takes out all that waits or is delayed but the first `keep`, which are due at once. */
  withdraw(keep: number): PendingEvent<Entry>[];
  /** Whether the next batch would be full. */
  readonly full: boolean;
  readonly size: number;
  readonly delayed: number;
  /** When the oldest new event came, `performance.now()`. */
  readonly oldestMs: number;
  /** Forgets the delayed ones and their timers. */
  stop(): void;
}

/** Delays are rounded up to this, so that repeated events fill batches too. */
const SLOT_MS = 25;

export function createPublishQueue<Entry>(options: PublishQueueOptions): PublishQueue<Entry> {
  const { maxEntries, maxBytes, onDue } = options;
  const slots = new Map<number, { timer: NodeJS.Timeout; events: PendingEvent<Entry>[] }>();
  const again = createFifo<PendingEvent<Entry>>();
  const fresh = createFifo<PendingEvent<Entry>>();
  let bytes = 0;
  let delayed = 0;

  const size = () => again.size + fresh.size;

  /** Looks at each that waits, and leaves the order as it is. */
  function sift(takes: (event: PendingEvent<Entry>) => boolean): void {
    for (const fifo of [fresh, again]) {
      for (let left = fifo.size; left > 0; left -= 1) {
        const event = fifo.shift();
        if (event === undefined) break;
        if (takes(event)) bytes -= event.entryBytes;
        else fifo.push(event);
      }
    }
  }

  function takeBatch(first: 'repeated' | 'new' = 'repeated'): PendingEvent<Entry>[] {
    const batch: PendingEvent<Entry>[] = [];
    let size = 0;
    const [one, other] = first === 'new' ? [fresh, again] : [again, fresh];
    while (batch.length < maxEntries) {
      const from = one.size > 0 ? one : other;
      const event = from.peek();
      if (event === undefined) break;
      if (batch.length > 0 && (event.alone || size + event.entryBytes > maxBytes)) break;
      from.shift();
      batch.push(event);
      bytes -= event.entryBytes;
      size += event.entryBytes;
      if (event.alone) break;
    }
    return batch;
  }

  function forgetDelayed(): void {
    for (const { timer } of slots.values()) clearTimeout(timer);
    slots.clear();
    delayed = 0;
  }

  return {
    add(event) {
      fresh.push(event);
      bytes += event.entryBytes;
    },
    putBack(events) {
      for (const event of events.toReversed()) {
        again.unshift(event);
        bytes += event.entryBytes;
      }
    },
    delay(event, delayMs) {
      delayed += 1;
      const slot = Math.ceil((performance.now() + delayMs) / SLOT_MS);
      const waiting = slots.get(slot);
      if (waiting !== undefined) {
        waiting.events.push(event);
        return;
      }
      const due = () => {
        const events = slots.get(slot)?.events ?? [];
        slots.delete(slot);
        delayed -= events.length;
        for (const event of events) {
          again.push(event);
          bytes += event.entryBytes;
        }
        onDue();
      };
      slots.set(slot, {
        timer: setTimeout(due, slot * SLOT_MS - performance.now()),
        events: [event],
      });
    },
    takeBatch,
    takeProbe(isBarred) {
      const firsts = new Map<string, PendingEvent<Entry>>();
      sift((event) => {
        const { alone, group } = event;
        if (!alone && !firsts.has(group)) firsts.set(group, event);
        return false;
      });
      const probe = chooseProbe([...firsts.values()], isBarred, { maxEntries, maxBytes });
      if (probe.size === 0) return takeBatch('new');
      sift((event) => probe.has(event));
      return [...probe];
    },
    withdraw(keep) {
      const all: PendingEvent<Entry>[] = [];
      for (const fifo of [again, fresh]) {
        for (let event = fifo.shift(); event !== undefined; event = fifo.shift()) all.push(event);
      }
      all.push(...[...slots.values()].flatMap(({ events }) => events));
      forgetDelayed();
      const kept = all.slice(0, keep);
      for (const event of kept) again.push(event);
      bytes = kept.reduce((sum, { entryBytes }) => sum + entryBytes, 0);
      return all.slice(keep);
    },
    get full() {
      return size() >= maxEntries || bytes >= maxBytes;
    },
    get size() {
      return size();
    },
    get delayed() {
      return delayed;
    },
    get oldestMs() {
      return again.size > 0 ? 0 : (fresh.peek()?.queuedAtMs ?? 0);
    },
    stop: forgetDelayed,
  };
}

/** As many as go into a call, those first that are not known to be barred. */
function chooseProbe<Entry>(
  candidates: readonly PendingEvent<Entry>[],
  isBarred: (group: string) => boolean,
  { maxEntries, maxBytes }: Pick<PublishQueueOptions, 'maxEntries' | 'maxBytes'>,
): ReadonlySet<PendingEvent<Entry>> {
  const probe = new Set<PendingEvent<Entry>>();
  const byHope = candidates.map((event) => ({ event, isBarred: isBarred(event.group) }));
  let size = 0;
  for (const { event } of byHope.toSorted((a, b) => Number(a.isBarred) - Number(b.isBarred))) {
    if (probe.size === maxEntries || size + event.entryBytes > maxBytes) break;
    probe.add(event);
    size += event.entryBytes;
  }
  return probe;
}
