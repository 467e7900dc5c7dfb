import { createFifo } from '../../lib/fifo.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { BusEntry, RawEvent } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import type { Journal } from './journal.ts';

export interface BacklogOptions {
  readonly journal: Journal;
  /** Events in memory, from here until they are settled. */
  readonly maxEvents: number;
  /** Their JSON text, in bytes. */
  readonly maxBytes: number;
}

/**
 * The events to do, in the order in which they were taken. Only a window of them is in memory; the
 * others wait in the journal and are loaded by their number when their turn comes.
 */
export interface Backlog {
  /** These have just been committed. */
  offer(events: readonly TakenEvent[]): void;
  next(): TakenEvent | undefined;
  /** The event needs no memory any more. */
  release(event: TakenEvent): void;
  /** Events in memory that nobody has asked for yet. */
  readonly waiting: number;
  /** Events in memory that are not released. */
  readonly inMemory: number;
  /** Memory is nearly full, or some of what was taken is on disk only. */
  readonly crowded: boolean;
  /** Resolves when half of the memory is free and nothing is on disk only, or after `timeoutMs`. */
  whenRoomy(signal: AbortSignal, timeoutMs: number): Promise<void>;
  /** From now on `next` gives only what is in memory. */
  stopLoading(): void;
}

const LOAD_EVENTS = 256;

export function createBacklog(options: BacklogOptions): Backlog {
  const { journal, maxEvents, maxBytes } = options;
  const events = createFifo<TakenEvent>();
  const roomy = createWakeup();
  let inMemory = 0;
  let bytes = 0;
  let loading = true;
  // What is in the journal at the start was taken by an earlier process and goes first.
  let loadedThrough = journal.events === 0 ? journal.lastSeq : 0;

  const behind = () => loadedThrough < journal.lastSeq;
  const fills = (share: number) => inMemory >= share * maxEvents || bytes >= share * maxBytes;

  function keep(event: TakenEvent): void {
    events.push(event);
    inMemory += 1;
    bytes += event.bytes;
    loadedThrough = event.seq;
  }

  function load(): void {
    const room = Math.min(LOAD_EVENTS, maxEvents - inMemory);
    if (!loading || !behind() || room <= 0 || bytes >= maxBytes) return;
    const rows = journal.eventsAfter(loadedThrough, room, maxBytes - bytes);
    for (const { raw, entry, ...row } of rows) {
      keep({
        ...row,
        raw: JSON.parse(raw) as RawEvent,
        bytes: raw.length,
        entry: entry === undefined ? undefined : reviveEntry(entry),
      });
    }
    if (rows.length === 0) loadedThrough = journal.lastSeq;
  }

  return {
    offer(taken) {
      for (const event of taken) {
        if (event.seq !== loadedThrough + 1 || inMemory >= maxEvents || bytes >= maxBytes) return;
        keep(event);
      }
    },
    next() {
      if (events.size === 0) load();
      return events.shift();
    },
    release(event) {
      inMemory -= 1;
      bytes -= event.bytes;
      if (!behind() && !fills(1 / 2)) roomy.wake();
    },
    get waiting() {
      return events.size;
    },
    get inMemory() {
      return inMemory;
    },
    get crowded() {
      return behind() || fills(3 / 4);
    },
    whenRoomy: (signal, timeoutMs) => roomy.wait(signal, timeoutMs),
    stopLoading() {
      loading = false;
    },
  };
}

function reviveEntry(text: string): BusEntry {
  const entry = JSON.parse(text) as Omit<BusEntry, 'time'> & { time: string };
  return { ...entry, time: new Date(entry.time) };
}
