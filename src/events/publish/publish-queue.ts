import { createFifo } from '../../lib/fifo.ts';
import type { Job } from '../taken-event.ts';

export interface PublishQueueOptions {
  readonly maxEntries: number;
  readonly maxBytes: number;
  /** The delay of these is over. */
  readonly onDue: () => void;
}

/**
 * Jobs that are ready for the bus. Batches are taken out when a call may start, not built before:
 * so they are as full as they can be. Repeated jobs mostly go before new ones.
 */
export interface PublishQueue {
  add(job: Job): void;
  /** The job comes back after `delayMs`, together with those of the same moment. */
  delay(job: Job, delayMs: number): void;
  /** `first`: which go before the others; default `repeated`. */
  takeBatch(first?: 'repeated' | 'new'): Job[];
  /** Whether the next batch would be full. */
  readonly full: boolean;
  readonly size: number;
  readonly delayed: number;
  /** When the oldest new job came, `performance.now()`. */
  readonly oldestMs: number;
  /** Forgets the delayed ones and their timers. */
  stop(): void;
}

/** Delays are rounded up to this, so that repeated jobs fill batches too. */
const SLOT_MS = 25;

export function createPublishQueue(options: PublishQueueOptions): PublishQueue {
  const { maxEntries, maxBytes, onDue } = options;
  const slots = new Map<number, { timer: NodeJS.Timeout; jobs: Job[] }>();
  const again = createFifo<Job>();
  const fresh = createFifo<Job>();
  let bytes = 0;
  let delayed = 0;

  const size = () => again.size + fresh.size;

  return {
    add(job) {
      fresh.push(job);
      bytes += job.entryBytes;
    },
    delay(job, delayMs) {
      delayed += 1;
      const slot = Math.ceil((performance.now() + delayMs) / SLOT_MS);
      const waiting = slots.get(slot);
      if (waiting !== undefined) {
        waiting.jobs.push(job);
        return;
      }
      const due = () => {
        const jobs = slots.get(slot)?.jobs ?? [];
        slots.delete(slot);
        delayed -= jobs.length;
        for (const job of jobs) {
          again.push(job);
          bytes += job.entryBytes;
        }
        onDue();
      };
      slots.set(slot, { timer: setTimeout(due, slot * SLOT_MS - performance.now()), jobs: [job] });
    },
    takeBatch(first = 'repeated') {
      const batch: Job[] = [];
      let size = 0;
      const [one, other] = first === 'new' ? [fresh, again] : [again, fresh];
      while (batch.length < maxEntries) {
        const from = one.size > 0 ? one : other;
        const job = from.peek();
        if (job === undefined) break;
        if (batch.length > 0 && (job.alone || size + job.entryBytes > maxBytes)) break;
        from.shift();
        batch.push(job);
        bytes -= job.entryBytes;
        size += job.entryBytes;
        if (job.alone) break;
      }
      return batch;
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
