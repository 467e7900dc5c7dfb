import type { AttributeUpdate } from '../ports.ts';

/** An update on its way; only the window changes it. */
export interface WindowItem {
  /** The caller's own number of the record. */
  position: number;
  update: AttributeUpdate;
  /** Its size in a write. */
  bytes: number;
  /** It is known to differ from what was written last. */
  isChanged: boolean;
  isWriting: boolean;
  /** Has the same id and came while this one was being written. */
  next: WindowItem | undefined;
}

/** What one write may hold. */
export interface WriteLimits {
  readonly maxUpdates: number;
  readonly maxBytes: number;
}

/**
 * The updates of one import that are not settled. In the queue the last one of an id wins; one that
 * comes while its id is being written is blocked until that write has ended. Does nothing by itself.
 */
export interface WriteWindow {
  /** @returns the position of the earlier record of this id that need not be written any more. */
  add(position: number, update: AttributeUpdate, bytes: number): number | undefined;
  /** The queue has what one write can hold. */
  readonly hasBatch: boolean;
  /** The same of queued and blocked updates together. */
  readonly isFull: boolean;
  readonly isQueueEmpty: boolean;
  /** Everything is settled. */
  readonly isEmpty: boolean;
  isWriting(id: string): boolean;
  /**
   * The next write, and what was found unchanged on the way to it; both leave the queue. A write
   * that is not full stays in the queue unless `flush` is set.
   *
   * @throws what `isUnchanged` throws; then nothing has left the queue.
   */
  take(flush: boolean): { batch: readonly WindowItem[]; unchanged: readonly WindowItem[] };
  /** Empties the queue, of which nothing is to be written. */
  takeAll(): readonly WindowItem[];
  /** These are settled: what was blocked by them goes into the queue. */
  close(items: readonly WindowItem[]): void;
}

/**
 * @param limits read anew for each write.
 * @param isUnchanged whether an update need not be written; asked until it says no.
 */
export function createWriteWindow(
  limits: WriteLimits,
  isUnchanged: (update: AttributeUpdate) => boolean,
): WriteWindow {
  /** By id: the one that is being written, or else the one in the queue. */
  const open = new Map<string, WindowItem>();
  let queue: WindowItem[] = [];
  let queuedBytes = 0;
  let blocked = 0;
  let blockedBytes = 0;

  const hasBatch = () => queue.length >= limits.maxUpdates || queuedBytes >= limits.maxBytes;

  function enqueue(item: WindowItem): void {
    queue.push(item);
    queuedBytes += item.bytes;
  }

  return {
    add(position, update, bytes) {
      const first = open.get(update.id);
      const earlier = first?.isWriting === true ? first.next : first;
      if (earlier !== undefined) {
        const superseded = earlier.position;
        if (earlier === first) queuedBytes += bytes - earlier.bytes;
        else blockedBytes += bytes - earlier.bytes;
        Object.assign(earlier, { position, update, bytes, isChanged: false });
        return superseded;
      }
      const item = { position, update, bytes, isChanged: false, isWriting: false, next: undefined };
      if (first === undefined) {
        open.set(update.id, item);
        enqueue(item);
      } else {
        first.next = item;
        blocked += 1;
        blockedBytes += bytes;
      }
      return undefined;
    },
    get hasBatch() {
      return hasBatch();
    },
    get isFull() {
      return (
        queue.length + blocked >= limits.maxUpdates || queuedBytes + blockedBytes >= limits.maxBytes
      );
    },
    get isQueueEmpty() {
      return queue.length === 0;
    },
    get isEmpty() {
      return open.size === 0;
    },
    isWriting: (id) => open.get(id)?.isWriting === true,
    take(flush) {
      if (!flush && !hasBatch()) return { batch: [], unchanged: [] };
      const { maxUpdates, maxBytes } = limits;
      const batch: WindowItem[] = [];
      const unchanged: WindowItem[] = [];
      let bytes = 0;
      let taken = 0;
      for (const item of queue) {
        if (batch.length >= maxUpdates) break;
        if (batch.length > 0 && bytes + item.bytes > maxBytes) break;
        taken += 1;
        if (!item.isChanged && isUnchanged(item.update)) {
          unchanged.push(item);
        } else {
          item.isChanged = true;
          bytes += item.bytes;
          batch.push(item);
        }
      }
      const isBatchFull = taken < queue.length || batch.length >= maxUpdates || bytes >= maxBytes;
      const isSent = flush || isBatchFull;
      queue = isSent ? queue.slice(taken) : batch.slice();
      for (const item of unchanged) queuedBytes -= item.bytes;
      if (!isSent) return { batch: [], unchanged };
      queuedBytes -= bytes;
      for (const item of batch) item.isWriting = true;
      return { batch, unchanged };
    },
    takeAll() {
      const rest = queue;
      queue = [];
      queuedBytes = 0;
      return rest;
    },
    close(items) {
      for (const { next, update } of items) {
        if (next === undefined) {
          open.delete(update.id);
          continue;
        }
        blocked -= 1;
        blockedBytes -= next.bytes;
        open.set(update.id, next);
        enqueue(next);
      }
    },
  };
}
