import type { Pipeline, Processed } from '../pipeline/pipeline.ts';
import type { BufferedEvent, BusEntry, EventBuffer, EventBus, Outlet } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import { createPipelineStats, type PipelineStats } from '../telemetry/pipeline-stats.ts';

/** What becomes of a taken event on its way out: an entry, or why there is none. */
export type Made<Entry> =
  | { readonly ok: true; readonly entry: Entry }
  | Extract<Processed, { readonly ok: false }>;

/** Where taken events go. */
export interface WorkerOutlet<Entry> {
  /** Its name in readiness. */
  readonly name: 'bus' | 'buffer';
  /** What a process does that needs it. */
  readonly role: 'reader' | 'publisher';
  /** Subject of the log lines. */
  readonly what: string;
  readonly port: Outlet<Entry>;
  entryOf(event: TakenEvent): Promise<Made<Entry>> | Made<Entry>;
  /** Of an entry that was refused, what its letter shows of it. */
  shownInLetter(entry: Entry): unknown;
  /** Gets what is accepted, and the calls. */
  readonly stats: PipelineStats;
}

/** Through the pipeline to the event bus. */
export function busOutlet(
  bus: EventBus,
  pipeline: Pick<Pipeline, 'process'>,
  stats: PipelineStats,
): WorkerOutlet<BusEntry> {
  return {
    name: 'bus',
    role: 'publisher',
    what: 'The event bus',
    port: bus,
    entryOf: ({ raw, eventId }) => pipeline.process(raw, eventId),
    shownInLetter: (entry) => entry,
    stats,
  };
}

/** As they are to the shared buffer: a publisher sees to the rest. */
export function bufferOutlet(buffer: EventBuffer): WorkerOutlet<BufferedEvent> {
  return {
    name: 'buffer',
    role: 'reader',
    what: 'The event buffer',
    port: buffer,
    entryOf: ({ eventId, takenAtMs, raw }) => ({
      ok: true,
      entry: { eventId, deduplicationId: eventId, takenAtMs, event: raw },
    }),
    shownInLetter: () => undefined,
    stats: createPipelineStats(),
  };
}
