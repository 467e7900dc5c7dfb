import { createIdList } from '../id-list.ts';
import type { EventBatch, Expectation } from './interactions.ts';

/** What left for the network, duplicates on purpose not included. */
export interface Sent {
  readonly events: number;
  readonly matching: number;
  readonly other: number;
  readonly invalid: number;
  readonly bytes: number;
  /** Sent again after a reconnect. */
  readonly duplicates: number;
  /** Given up because the buffer was full. */
  readonly dropped: number;
}

const NOTHING_SENT: Sent = {
  events: 0,
  matching: 0,
  other: 0,
  invalid: 0,
  bytes: 0,
  duplicates: 0,
  dropped: 0,
};

/** Counts what was sent, and remembers `keepIds` ids of each expectation. */
export function createSentCount(keepIds: number) {
  let sent = { ...NOTHING_SENT };
  const ids = { matching: createIdList(), other: createIdList(), invalid: createIdList() };
  return {
    first(batch: EventBatch): void {
      sent.events += batch.events;
      sent.bytes += batch.bytes.length;
      for (const expectation of ['matching', 'other', 'invalid'] as const) {
        sent[expectation] += batch.counts[expectation];
        for (const id of batch.ids[expectation]) {
          if (ids[expectation].length < keepIds) ids[expectation].add(id);
        }
      }
    },
    again(batch: EventBatch): void {
      sent.duplicates += batch.events;
    },
    dropped(events: number): void {
      sent.dropped += events;
    },
    total: (): Sent => ({ ...sent }),
    ids: (expectation: Expectation): Iterable<string> => ids[expectation],
    remembers: () => Object.values(ids).some(({ length }) => length < keepIds),
    clear(): void {
      sent = { ...NOTHING_SENT };
      for (const list of Object.values(ids)) list.clear();
    },
  };
}
