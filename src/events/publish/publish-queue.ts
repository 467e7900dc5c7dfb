import { createFifo } from '../../lib/fifo.ts';
import type { BusEntry } from '../ports.ts';
import { groupOf } from './barred-groups.ts';
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
export interface PublishQueue {
  add(event: PendingEvent): void;
  /** The event comes back after `delayMs`, together with those of the same moment. */
  delay(event: PendingEvent, delayMs: number): void;
  /** `first`: which go before the others; default `repeated`. */
  takeBatch(first?: 'repeated' | 'new'): PendingEvent[];
  /**
   * One of each group, to find one that the bus takes: those first of which `isBarred` does not say
   * that it took none.
   */
  takeProbe(isBarred: (entry: BusEntry) => boolean): PendingEvent[];
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

export function createPublishQueue(options: PublishQueueOptions): PublishQueue {
  const { maxEntries, maxBytes, onDue } = options;
  const slots = new Map<number, { timer: NodeJS.Timeout; events: PendingEvent[] }>();
  const again = createFifo<PendingEvent>();
  const fresh = createFifo<PendingEvent>();
  let bytes = 0;
  let delayed = 0;

  const size = () => again.size + fresh.size;

  /** Looks at each that waits, and leaves the order as it is. */
  function sift(takes: (event: PendingEvent) => boolean): void {
    for (const fifo of [fresh, again]) {
      for (let left = fifo.size; left > 0; left -= 1) {
        const event = fifo.shift();
        if (event === undefined) break;
        if (takes(event)) bytes -= event.entryBytes;
        else fifo.push(event);
      }
    }
  }

  function takeBatch(first: 'repeated' | 'new' = 'repeated'): PendingEvent[] {
    const batch: PendingEvent[] = [];
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

  return {
    add(event) {
      fresh.push(event);
      bytes += event.entryBytes;
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
      const firsts = new Map<string, PendingEvent>();
      sift((event) => {
        const group = groupOf(event.entry);
        if (!event.alone && !firsts.has(group)) firsts.set(group, event);
        return false;
      });
      const probe = new Set<PendingEvent>();
      let size = 0;
      const byHope = [...firsts.values()].map((event) => ({
        event,
        isBarred: isBarred(event.entry),
      }));
      for (const { event } of byHope.toSorted((a, b) => Number(a.isBarred) - Number(b.isBarred))) {
        if (probe.size === maxEntries || size + event.entryBytes > maxBytes) break;
        probe.add(event);
        size += event.entryBytes;
      }
      if (probe.size === 0) return takeBatch('new');
      sift((event) => probe.has(event));
      return [...probe];
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
    stop() {
      for (const { timer } of slots.values()) clearTimeout(timer);
      slots.clear();
      delayed = 0;
    },
  };
}
