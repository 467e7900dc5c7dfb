export interface BatchLimits<T> {
  readonly maxItems: number;
  /** Sum of the sizes of a batch's items; an item that is larger alone gets a batch of its own. */
  readonly maxBytes: number;
  readonly bytesOf: (item: T) => number;
}

/** Batches of items that are all there already; the order is kept. */
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
