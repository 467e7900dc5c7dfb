/** The last things of a kind, oldest first, and how many there were in all. */
export interface Recent<T> {
  push(item: T): void;
  /** At most `keep`; the same array all the time. */
  readonly items: readonly T[];
  readonly total: number;
  clear(): void;
}

export function createRecent<T>(keep: number): Recent<T> {
  const items: T[] = [];
  let total = 0;
  return {
    push(item) {
      // A tenth at once: cutting off one at a time would move the whole array each time.
      if (items.length >= keep) items.splice(0, Math.ceil(keep / 10));
      items.push(item);
      total += 1;
    },
    items,
    get total() {
      return total;
    },
    clear() {
      items.length = 0;
      total = 0;
    },
  };
}
