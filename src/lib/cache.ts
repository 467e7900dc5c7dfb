import { LRUCache } from 'lru-cache';
import { abortable } from './abortable.ts';

export interface CacheOptions {
  /** How long a value is fresh, in milliseconds. */
  readonly ttlMs: number;
  /** The least recently used entry goes when there are more. */
  readonly maxEntries: number;
  readonly now?: (() => number) | undefined;
}

export interface GetOptions {
  /** Ends this caller's wait; the load goes on for the others. */
  readonly signal?: AbortSignal | undefined;
  /** How long this entry is fresh, in milliseconds, instead of the cache's own `ttlMs`. */
  readonly ttlMs?: number | undefined;
  /**
   * The load ends when its last caller has gone; without it, it goes on for the next one. Whoever
   * begins a load decides for it.
   */
  readonly endWhenAlone?: boolean | undefined;
  /** Failures that are an answer: they are kept for a short time, apart from the values. */
  readonly keepFailure?: ((error: unknown) => boolean) | undefined;
}

/** Of failures that are kept: what is missing now may be made any moment. */
const FAILURE_TTL_MS = 10_000;
const MAX_FAILURES = 1000;

/** A bounded cache whose loads are single-flight: a thousand callers of one key cause one load. */
export interface Cache {
  /** @param load gets a signal that aborts when nobody waits any more, see `endWhenAlone` */
  get<V>(key: string, load: (signal: AbortSignal) => Promise<V>, options?: GetOptions): Promise<V>;
  delete(key: string): void;
  clear(): void;
  readonly size: number;
}

interface Entry {
  readonly value: unknown;
  readonly freshUntilMs: number;
}

/** A load under way, and how many wait for it. */
interface Flight {
  readonly value: Promise<unknown>;
  readonly abort: AbortController;
  readonly endWhenAlone: boolean;
  waiting: number;
  hasLanded: boolean;
}

export function createCache(options: CacheOptions): Cache {
  const now = options.now ?? Date.now;
  const entries = new LRUCache<string, Entry>({ max: options.maxEntries });
  const failures = new LRUCache<string, { error: unknown; untilMs: number }>({ max: MAX_FAILURES });
  const flights = new Map<string, Flight>();

  function start(
    key: string,
    load: (signal: AbortSignal) => Promise<unknown>,
    { ttlMs = options.ttlMs, endWhenAlone = false, keepFailure }: GetOptions,
  ): Flight {
    const abort = new AbortController();
    const value = Promise.resolve()
      .then(() => load(abort.signal))
      .then((loaded) => {
        // A delete() during the load means that what it brings is already out of date.
        if (flights.get(key) === flight) {
          entries.set(key, { value: loaded, freshUntilMs: now() + ttlMs });
        }
        return loaded;
      })
      .catch((error: unknown) => {
        if (flights.get(key) === flight && keepFailure?.(error) === true) {
          failures.set(key, { error, untilMs: now() + FAILURE_TTL_MS });
        }
        throw error;
      })
      .finally(() => {
        flight.hasLanded = true;
        forget(key, flight);
      });
    const flight: Flight = { value, abort, endWhenAlone, waiting: 0, hasLanded: false };
    flights.set(key, flight);
    return flight;
  }

  function leave(key: string, flight: Flight): void {
    flight.waiting -= 1;
    if (flight.waiting > 0 || flight.hasLanded || !flight.endWhenAlone) return;
    // Who asks from now on must not be given the load that is just being stopped.
    forget(key, flight);
    flight.abort.abort();
  }

  function forget(key: string, flight: Flight): void {
    if (flights.get(key) === flight) flights.delete(key);
  }

  return {
    async get<V>(
      key: string,
      load: (signal: AbortSignal) => Promise<V>,
      getOptions: GetOptions = {},
    ): Promise<V> {
      const entry = entries.get(key);
      if (entry !== undefined && now() < entry.freshUntilMs) return entry.value as V;

      const failure = failures.get(key);
      if (failure !== undefined && now() < failure.untilMs) throw failure.error;

      const { signal } = getOptions;
      signal?.throwIfAborted();
      const flight = flights.get(key) ?? start(key, load, getOptions);
      flight.waiting += 1;
      try {
        return (await abortable(flight.value, signal)) as V;
      } finally {
        leave(key, flight);
      }
    },
    delete(key) {
      entries.delete(key);
      failures.delete(key);
      flights.delete(key);
    },
    clear() {
      entries.clear();
      failures.clear();
      flights.clear();
    },
    get size() {
      return entries.size;
    },
  };
}
