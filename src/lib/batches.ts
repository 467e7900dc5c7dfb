export interface BatchLimits<T> {
  readonly maxItems: number;
  /** Sum of the sizes of a batch's items; an item that is larger alone gets a batch of its own. */
  readonly maxBytes: number;
  readonly bytesOf: (item: T) => number;
}

export interface BatcherOptions<T> extends BatchLimits<T> {
  /** How long the first item of a batch waits for company, in milliseconds. */
  readonly lingerMs: number;
  /** Takes a full or overdue batch. Must not throw. */
  readonly onBatch: (items: T[]) => void;
}

/** Collects items and hands them on in batches, bounded by count, bytes and time. */
export interface Batcher<T> {
  add(item: T): void;
  /** Hands on what is waiting, now. */
  flush(): void;
  readonly waiting: number;
}

export function createBatcher<T>(options: BatcherOptions<T>): Batcher<T> {
  let items: T[] = [];
  let bytes = 0;
  let timer: NodeJS.Timeout | undefined;

  function flush(): void {
    clearTimeout(timer);
    timer = undefined;
    if (items.length === 0) return;
    const full = items;
    items = [];
    bytes = 0;
    options.onBatch(full);
  }

  return {
    add(item) {
      const size = options.bytesOf(item);
      if (items.length > 0 && bytes + size > options.maxBytes) flush();
      items.push(item);
      bytes += size;
      if (items.length >= options.maxItems || bytes >= options.maxBytes) flush();
      else timer ??= setTimeout(flush, options.lingerMs);
    },
    flush,
    get waiting() {
      return items.length;
    },
  };
}

/** The same rule for items that are all there already; the order is kept. */
export function splitIntoBatches<T>(items: Iterable<T>, limits: BatchLimits<T>): T[][] {
  const batches: T[][] = [];
  let current: T[] = [];
  let bytes = 0;
  for (const item of items) {
    const size = limits.bytesOf(item);
    if (
      current.length > 0 &&
      (current.length >= limits.maxItems || bytes + size > limits.maxBytes)
    ) {
      batches.push(current);
      current = [];
      bytes = 0;
    }
    current.push(item);
    bytes += size;
  }
  if (current.length > 0) batches.push(current);
  return batches;
}
