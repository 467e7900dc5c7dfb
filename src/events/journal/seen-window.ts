/**
 * Remembers the last keys, at least half of `capacity` and never more than `capacity`. Two
 * generations: dropping the older one whole costs nothing, unlike deleting key by key.
 */
export interface SeenWindow {
  /** Whether the key is new; from now on it is not. */
  add(key: string): boolean;
}

export function createSeenWindow(capacity: number): SeenWindow {
  const generationSize = Math.ceil(capacity / 2);
  let current = new Set<string>();
  let previous = new Set<string>();

  return {
    add(key) {
      if (capacity === 0) return true;
      if (current.has(key) || previous.has(key)) return false;
      if (current.size >= generationSize) {
        previous = current;
        current = new Set();
      }
      current.add(key);
      return true;
    },
  };
}
