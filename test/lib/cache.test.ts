import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { abortable } from '../../src/lib/abortable.ts';
import { createCache } from '../../src/lib/cache.ts';

let clock = 0;
const now = () => clock;
const unhandled: unknown[] = [];
const onUnhandled = (reason: unknown) => unhandled.push(reason);

beforeEach(() => {
  clock = 1_000_000;
  unhandled.length = 0;
  process.on('unhandledRejection', onUnhandled);
});

afterEach(async () => {
  await new Promise((resolve) => setImmediate(resolve));
  process.off('unhandledRejection', onUnhandled);
  expect(unhandled).toEqual([]);
});

describe('a cache', () => {
  test('answers from memory until the time to live has passed', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    let loads = 0;
    const load = () => Promise.resolve((loads += 1));
    expect(await cache.get('k', load)).toBe(1);
    clock += 99;
    expect(await cache.get('k', load)).toBe(1);
    clock += 1;
    expect(await cache.get('k', load)).toBe(2);
  });

  test('keeps what is undefined too', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const load = vi.fn(() => Promise.resolve(undefined));
    await cache.get('k', load);
    await cache.get('k', load);
    expect(load).toHaveBeenCalledTimes(1);
  });

  test('a thousand callers of one key cause one load', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const load = vi.fn(() => new Promise((resolve) => setImmediate(() => resolve('v'))));
    const answers = await Promise.all(Array.from({ length: 1000 }, () => cache.get('k', load)));
    expect(new Set(answers)).toEqual(new Set(['v']));
    expect(load).toHaveBeenCalledTimes(1);
  });

  test('a time to live of 0 still shares what is under way', async () => {
    const cache = createCache({ ttlMs: 0, maxEntries: 10, now });
    const load = vi.fn(() => Promise.resolve('v'));
    await Promise.all([cache.get('k', load), cache.get('k', load)]);
    expect(load).toHaveBeenCalledTimes(1);
    await cache.get('k', load);
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('does not keep a failure, also one thrown before the first await', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    await expect(
      cache.get('k', () => {
        throw new Error('at once');
      }),
    ).rejects.toThrow('at once');
    expect(await cache.get('k', () => Promise.resolve('v'))).toBe('v');
  });

  test('forgets the least recently used entry first', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 2, now });
    const load = vi.fn(() => Promise.resolve('v'));
    await cache.get('a', load);
    await cache.get('b', load);
    await cache.get('a', load);
    await cache.get('c', load);
    expect(cache.size).toBe(2);
    load.mockClear();
    await cache.get('a', load);
    expect(load).not.toHaveBeenCalled();
    await cache.get('b', load);
    expect(load).toHaveBeenCalledTimes(1);
  });

  test('an entry may have a time to live of its own', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const load = vi.fn(() => Promise.resolve('v'));
    await cache.get('k', load, { ttlMs: 5 });
    clock += 6;
    await cache.get('k', load, { ttlMs: 5 });
    expect(load).toHaveBeenCalledTimes(2);
  });

  test('what was deleted during its load is not kept', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const old = Promise.withResolvers<string>();
    const first = cache.get('k', () => old.promise);
    cache.delete('k');
    const second = cache.get('k', () => Promise.resolve('new'));
    old.resolve('old');
    expect(await first).toBe('old');
    expect(await second).toBe('new');
    expect(await cache.get('k', () => Promise.resolve('newer'))).toBe('new');
  });

  test('one caller who leaves ends only its own wait', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const work = Promise.withResolvers<string>();
    const leaving = new AbortController();
    const first = cache.get('k', () => work.promise, { signal: leaving.signal });
    const second = cache.get('k', () => work.promise);
    leaving.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    work.resolve('v');
    expect(await second).toBe('v');
  });

  test('a caller who has left already starts no load', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const load = vi.fn(() => Promise.reject(new Error('away')));
    const signal = AbortSignal.abort(new Error('left'));
    await expect(cache.get('k', load, { signal })).rejects.toThrow('left');
    expect(load).not.toHaveBeenCalled();
  });
});

describe('a wait that can be aborted', () => {
  test('leaves no unhandled rejection when the signal came first', async () => {
    const failing = Promise.reject(new Error('away'));
    await expect(abortable(failing, AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
  });

  test('passes on the result, or the failure, of the promise', async () => {
    const { signal } = new AbortController();
    expect(await abortable(Promise.resolve(1), signal)).toBe(1);
    await expect(abortable(Promise.reject(new Error('no')), signal)).rejects.toThrow('no');
    expect(await abortable(Promise.resolve(1), undefined)).toBe(1);
  });
});
