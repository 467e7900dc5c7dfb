import type { AttributeUpdate } from '../ports.ts';

/** An update on its way; only the window changes it. */
export interface WindowItem {
  /** The caller's own number of the record. */
  position: number;
  update: AttributeUpdate;
  /** Its size in a write. */
  bytes: number;
  /** It may be written: it differs from what was written last, or nobody asks. */
  isQueued: boolean;
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
 * The updates of one import that are not settled. The last one of an id that is not being written
 * wins; one that comes while its id is being written is blocked until that write has ended. Where
 * unchanged updates are left out, each is asked about before it gets into the queue. Does nothing by
 * itself.
 */
export interface WriteWindow {
  /** @returns the position of the earlier record of this id that need not be written any more. */
  add(position: number, update: AttributeUpdate, bytes: number): number | undefined;
  /** The queue has what one write can hold. */
  readonly hasBatch: boolean;
  /** The same of all updates that are not being written. */
  readonly isFull: boolean;
  /** Nothing could be written at present, whatever the answers are. */
  readonly isIdle: boolean;
  /** Everything is settled. */
  readonly isEmpty: boolean;
  isWriting(id: string): boolean;
  /**
   * The next updates to ask about, at most as many as one write holds and none while an answer is
   * awaited; fewer only if `flush` is set. They stay in the window.
   */
  ask(flush: boolean): readonly WindowItem[];
  /**
   * What was found about those of `ask`: they get into the queue, but for those that are unchanged
   * and were not superseded meanwhile.
   *
   * @returns these; they are to be closed.
   */
  answer(unchanged: ReadonlySet<AttributeUpdate>): readonly WindowItem[];
  /** The next write. One that is not full stays in the queue unless `flush` is set and no answer is awaited. */
  take(flush: boolean): readonly WindowItem[];
  /** Empties the queue, and what nobody has asked about: nothing of it is to be written. */
  takeAll(): readonly WindowItem[];
  /** These are settled: what was blocked by them goes into the queue. */
  close(items: readonly WindowItem[]): void;
}

/**
 * @param limits read anew for each write.
 * @param asksFirst whether unchanged updates are left out.
 */
export function createWriteWindow(limits: WriteLimits, asksFirst: boolean): WriteWindow {
  /** By id: the one that is being written, or else the one that is to be. */
  const open = new Map<string, WindowItem>();
  let queue: WindowItem[] = [];
  let queuedBytes = 0;
  const questions = createQuestions();
  /** Of those that are blocked, or in `questions`. */
  let held = 0;
  let heldBytes = 0;

  const isBatch = (updates: number, bytes: number) =>
    updates >= limits.maxUpdates || bytes >= limits.maxBytes;

  function enqueue(item: WindowItem): void {
    item.isQueued = true;
    queue.push(item);
    queuedBytes += item.bytes;
  }

  function hold(item: WindowItem): void {
    held += 1;
    heldBytes += item.bytes;
  }

  function place(item: WindowItem): void {
    if (asksFirst) {
      questions.add(item);
      hold(item);
    } else {
      enqueue(item);
    }
  }

  function release(item: WindowItem): void {
    held -= 1;
    heldBytes -= item.bytes;
  }

  return {
    add(position, update, bytes) {
      const first = open.get(update.id);
      const earlier = first?.isWriting === true ? first.next : first;
      if (earlier !== undefined) {
        const superseded = earlier.position;
        if (earlier.isQueued) queuedBytes += bytes - earlier.bytes;
        else heldBytes += bytes - earlier.bytes;
        Object.assign(earlier, { position, update, bytes });
        return superseded;
      }
      const item = { position, update, bytes, isQueued: false, isWriting: false, next: undefined };
      if (first === undefined) {
        open.set(update.id, item);
        place(item);
      } else {
        first.next = item;
        hold(item);
      }
      return undefined;
    },
    get hasBatch() {
      return isBatch(queue.length, queuedBytes);
    },
    get isFull() {
      return isBatch(queue.length + held, queuedBytes + heldBytes);
    },
    get isIdle() {
      return queue.length === 0 && questions.isEmpty;
    },
    get isEmpty() {
      return open.size === 0;
    },
    isWriting: (id) => open.get(id)?.isWriting === true,
    ask(flush) {
      const isEnough = flush || isBatch(questions.unasked, heldBytes);
      return isEnough ? questions.ask(limits.maxUpdates) : [];
    },
    answer(unchanged) {
      return questions.answer().flatMap(([item, update]) => {
        release(item);
        if (item.update === update && unchanged.has(update)) return [item];
        enqueue(item);
        return [];
      });
    },
    take(flush) {
      const { taken, bytes } = cutBatch(queue, limits);
      const isFull = taken < queue.length || isBatch(taken, bytes);
      if (!isFull && (!flush || questions.isAsking)) return [];
      const batch = queue.slice(0, taken);
      queue = queue.slice(taken);
      queuedBytes -= bytes;
      for (const item of batch) {
        item.isQueued = false;
        item.isWriting = true;
      }
      return batch;
    },
    takeAll() {
      const unasked = questions.takeUnasked();
      for (const item of unasked) release(item);
      const rest = [...queue, ...unasked];
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
        release(next);
        open.set(update.id, next);
        place(next);
      }
    },
  };
}

/** How many of the queue one write takes, at least one. */
function cutBatch(queue: readonly WindowItem[], { maxUpdates, maxBytes }: WriteLimits) {
  let bytes = 0;
  let taken = 0;
  for (const item of queue) {
    if (taken >= maxUpdates || (taken > 0 && bytes + item.bytes > maxBytes)) break;
    bytes += item.bytes;
    taken += 1;
  }
  return { taken, bytes };
}

/** Updates that nobody has asked about, and the one question that is open. */
function createQuestions() {
  let unasked: WindowItem[] = [];
  /** With the update that was asked about. */
  let asked: (readonly [WindowItem, AttributeUpdate])[] = [];

  return {
    add: (item: WindowItem) => unasked.push(item),
    get unasked() {
      return unasked.length;
    },
    get isAsking() {
      return asked.length > 0;
    },
    get isEmpty() {
      return unasked.length + asked.length === 0;
    },
    ask(max: number): readonly WindowItem[] {
      if (asked.length > 0) return [];
      const items = unasked.slice(0, max);
      unasked = unasked.slice(max);
      asked = items.map((item) => [item, item.update]);
      return items;
    },
    answer() {
      const answered = asked;
      asked = [];
      return answered;
    },
    takeUnasked() {
      const items = unasked;
      unasked = [];
      return items;
    },
  };
}
