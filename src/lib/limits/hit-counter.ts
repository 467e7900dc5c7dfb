import { LRUCache } from 'lru-cache';

const WINDOW_MS = 60_000;
const MAX_KEYS = 100_000;

/** Hits per key and minute. Bounded: the key that was quiet for longest goes first. */
export interface HitCounter {
  /** @returns hits of this key in its running minute, this one included, and the minute's end. */
  hit(key: string): { hits: number; endsMs: number };
  forget(key: string): void;
}

export function createHitCounter(now: () => number = Date.now): HitCounter {
  // With `max` in place of `maxSize` it would take 3 MB before the first key comes.
  const windows = new LRUCache<string, { hits: number; endsMs: number }>({
    maxSize: MAX_KEYS,
    sizeCalculation: () => 1,
  });
  return {
    hit(key) {
      let window = windows.get(key);
      if (window === undefined || window.endsMs <= now()) {
        window = { hits: 0, endsMs: now() + WINDOW_MS };
        windows.set(key, window);
      }
      window.hits += 1;
      return window;
    },
    forget: (key) => void windows.delete(key),
  };
}
