import type { EventBatch } from './interactions.ts';

/** The newest batches, up to a number of events. */
export interface EventBuffer {
  /** Returns how many older events had to go. */
  push(batch: EventBatch): number;
  /** Everything, oldest first; the buffer is empty then. */
  drain(): readonly EventBatch[];
}

export function createEventBuffer(maxEvents: number): EventBuffer {
  let batches: EventBatch[] = [];
  let events = 0;

  return {
    push(batch) {
      batches.push(batch);
      events += batch.events;
      const before = events;
      while (events > maxEvents) events -= batches.shift()?.events ?? events;
      return before - events;
    },
    drain() {
      const all = batches;
      batches = [];
      events = 0;
      return all;
    },
  };
}
