import { createFifo } from '../../lib/fifo.ts';
import { readJson } from '../../lib/json/exact-json.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { RawEvent } from '../ports.ts';
import type { EventSupply, TakenEvent } from '../taken-event.ts';
import type { GroupCommit } from './group-commit.ts';
import type { Journal } from './journal.ts';

export interface BacklogOptions {
  readonly journal: Journal;
  readonly groupCommit: Pick<GroupCommit, 'settle' | 'giveUp'>;
  /** Events in memory, from here until they are settled. Default 2000. */
  readonly maxEvents?: number | undefined;
}

/**
 * The events to do, in the order in which they were taken. Only a window of them is in memory; the
 * others wait in the journal and are loaded by their number when their turn comes.
 */
export interface Backlog extends EventSupply {
  /** These have just been committed. */
  offer(events: readonly TakenEvent[]): void;
  /** Memory is nearly full, or some of what was taken is on disk only. */
  readonly crowded: boolean;
  /** Resolves when half of the memory is free and nothing is on disk only, or after `timeoutMs`. */
  whenRoomy(signal: AbortSignal, timeoutMs: number): Promise<void>;
  /** From now on `next` gives only what is in memory. */
  stopLoading(): void;
}

const LOAD_EVENTS = 256;
/** JSON text in memory, in UTF-16 units. */
const MAX_SIZE = 16 * 1024 * 1024;

export function createBacklog(options: BacklogOptions): Backlog {
  const { journal, groupCommit, maxEvents = 2000 } = options;
  const events = createFifo<TakenEvent>();
  const more = createWakeup();
  const roomy = createWakeup();
  let inMemory = 0;
  let size = 0;
  let loading = true;
  // What is in the journal at the start was taken by an earlier process and goes first.
  let loadedThrough = journal.events === 0 ? journal.lastSeq : 0;

  const behind = () => loadedThrough < journal.lastSeq;
  const fills = (share: number) => inMemory >= share * maxEvents || size >= share * MAX_SIZE;

  function keep(event: TakenEvent): void {
    events.push(event);
    inMemory += 1;
    size += event.size;
    loadedThrough = event.seq;
  }

  function load(): void {
    const room = Math.min(LOAD_EVENTS, maxEvents - inMemory);
    if (!loading || !behind() || room <= 0 || size >= MAX_SIZE) return;
    const rows = journal.eventsAfter(loadedThrough, room, MAX_SIZE - size);
    for (const { raw, ...row } of rows) {
      keep({ ...row, raw: readJson(raw) as RawEvent, size: raw.length, isReplayed: false });
    }
    if (rows.length === 0) loadedThrough = journal.lastSeq;
  }

  /** The event needs no memory any more. */
  function forget(event: TakenEvent): void {
    inMemory -= 1;
    size -= event.size;
  }

  function forgotten(): void {
    if (!behind() && !fills(1 / 2)) roomy.wake();
    more.wake();
  }

  return {
    offer(taken) {
      for (const event of taken) {
        if (event.seq !== loadedThrough + 1 || fills(1)) break;
        keep(event);
      }
      more.wake();
    },
    next() {
      if (events.size === 0) load();
      return events.shift();
    },
    whenNext: (signal) => more.wait(signal),
    settle(settled) {
      for (const event of settled) {
        groupCommit.settle(event.seq);
        forget(event);
      }
      forgotten();
    },
    giveUp(event, letter) {
      groupCommit.giveUp(letter, event.seq);
      forget(event);
      forgotten();
    },
    get waiting() {
      return events.size;
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
