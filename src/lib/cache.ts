import { LRUCache } from 'lru-cache';
import { abortable } from './abortable.ts';

export interface CacheOptions {
  /** How long a value is fresh, in milliseconds. */
  readonly ttlMs: number;
  /** The least recently used entry goes when there are more. */
  readonly maxEntries: number;
  readonly now?: () => number;
}

export interface GetOptions {
  /** Ends this caller's wait; the load goes on for the others. */
  readonly signal?: AbortSignal | undefined;
  /** How long this entry is fresh, in milliseconds, instead of the cache's own `ttlMs`. */
  readonly ttlMs?: number;
}

/** A bounded cache whose loads are single-flight: a thousand callers of one key cause one load. */
export interface Cache {
  get<V>(key: string, load: () => Promise<V>, options?: GetOptions): Promise<V>;
  delete(key: string): void;
  clear(): void;
  readonly size: number;
}

interface Entry {
  readonly value: unknown;
  readonly freshUntilMs: number;
}

export function createCache(options: CacheOptions): Cache {
  const now = options.now ?? Date.now;
  const entries = new LRUCache<string, Entry>({ max: options.maxEntries });
  const flights = new Map<string, Promise<unknown>>();

  function load(key: string, loader: () => Promise<unknown>, ttlMs: number): Promise<unknown> {
    const flying = flights.get(key);
    if (flying !== undefined) return flying;
    const flight = Promise.resolve()
      .then(loader)
      .then((value) => {
        // A delete() during the load means that what it brings is already out of date.
        if (flights.get(key) === flight) entries.set(key, { value, freshUntilMs: now() + ttlMs });
        return value;
      })
      .finally(() => {
        if (flights.get(key) === flight) flights.delete(key);
      });
    flights.set(key, flight);
    return flight;
  }

  return {
    async get<V>(key: string, loader: () => Promise<V>, getOptions: GetOptions = {}): Promise<V> {
      const ttlMs = getOptions.ttlMs ?? options.ttlMs;
      const entry = entries.get(key);
      if (entry !== undefined && now() < entry.freshUntilMs) return entry.value as V;

      getOptions.signal?.throwIfAborted();
      return (await abortable(load(key, loader, ttlMs), getOptions.signal)) as V;
    },
    delete(key) {
      entries.delete(key);
      flights.delete(key);
    },
    clear() {
      entries.clear();
      flights.clear();
    },
    get size() {
      return entries.size;
    },
  };
}
