import { createFifo } from '../../lib/fifo.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { BusEntry, RawEvent } from '../ports.ts';
import { createJob, type Job } from '../taken-event.ts';
import type { Journal } from './journal.ts';

export interface BacklogOptions {
  readonly journal: Journal;
  /** Jobs in memory, from here until they are settled. */
  readonly maxJobs: number;
  /** Their JSON text, in bytes. */
  readonly maxBytes: number;
}

/**
 * The jobs to do, in the order in which they were taken. Only a window of them is in memory; the
 * others wait in the journal and are loaded by their number when their turn comes.
 */
export interface Backlog {
  /** These have just been committed. */
  offer(jobs: readonly Job[]): void;
  next(): Job | undefined;
  /** The job needs no memory any more. */
  release(job: Job): void;
  /** Jobs in memory that nobody has asked for yet. */
  readonly waiting: number;
  /** Jobs in memory that are not released. */
  readonly inMemory: number;
  /** Memory is nearly full, or some of what was taken is on disk only. */
  readonly crowded: boolean;
  /** Resolves when half of the memory is free and nothing is on disk only, or after `timeoutMs`. */
  whenRoomy(signal: AbortSignal, timeoutMs: number): Promise<void>;
  /** Whether `next` may load more from disk. */
  loading: boolean;
}

const LOAD_JOBS = 256;

export function createBacklog(options: BacklogOptions): Backlog {
  const { journal, maxJobs, maxBytes } = options;
  const jobs = createFifo<Job>();
  const roomy = createWakeup();
  let inMemory = 0;
  let bytes = 0;
  let loading = true;
  // What is in the journal at the start was taken by an earlier process and goes first.
  let loadedThrough = journal.events === 0 ? journal.lastSeq : 0;

  const behind = () => loadedThrough < journal.lastSeq;
  const fills = (share: number) => inMemory >= share * maxJobs || bytes >= share * maxBytes;

  function keep(job: Job): void {
    jobs.push(job);
    inMemory += 1;
    bytes += job.bytes;
    loadedThrough = job.seq;
  }

  function load(): void {
    const room = Math.min(LOAD_JOBS, maxJobs - inMemory);
    if (!loading || !behind() || room <= 0 || bytes >= maxBytes) return;
    const rows = journal.eventsAfter(loadedThrough, room, maxBytes - bytes);
    for (const { raw, entry, ...row } of rows) {
      keep(
        createJob({
          ...row,
          event: JSON.parse(raw) as RawEvent,
          bytes: raw.length,
          entry: entry === undefined ? undefined : reviveEntry(entry),
        }),
      );
    }
    if (rows.length === 0) loadedThrough = journal.lastSeq;
  }

  return {
    offer(taken) {
      for (const job of taken) {
        if (job.seq !== loadedThrough + 1 || inMemory >= maxJobs || bytes >= maxBytes) return;
        keep(job);
      }
    },
    next() {
      if (jobs.size === 0) load();
      return jobs.shift();
    },
    release(job) {
      inMemory -= 1;
      bytes -= job.bytes;
      if (!behind() && !fills(1 / 2)) roomy.wake();
    },
    get waiting() {
      return jobs.size;
    },
    get inMemory() {
      return inMemory;
    },
    get crowded() {
      return behind() || fills(3 / 4);
    },
    whenRoomy: (signal, timeoutMs) => roomy.wait(signal, timeoutMs),
    get loading() {
      return loading;
    },
    set loading(on) {
      loading = on;
    },
  };
}

function reviveEntry(text: string): BusEntry {
  const entry = JSON.parse(text) as Omit<BusEntry, 'time'> & { time: string };
  return { ...entry, time: new Date(entry.time) };
}
