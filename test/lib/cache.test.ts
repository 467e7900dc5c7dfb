import * as fc from 'fast-check';
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

interface TestLoad {
  readonly work: PromiseWithResolvers<string>;
  readonly signal: AbortSignal;
  readonly callers: TestCaller[];
  state: 'shared' | 'forgotten' | 'done' | 'failed';
}
interface TestCaller {
  readonly leaving: AbortController;
  readonly outcome: Promise<string>;
}

/** One key of a cache, its loads in the order of their beginning, and who waits for which. */
function keyUnderTest(cache: ReturnType<typeof createCache>, key: string) {
  const loads: TestLoad[] = [];
  const callers: TestCaller[] = [];
  const arriving: TestCaller[] = [];

  function load(signal: AbortSignal): Promise<string> {
    const work = Promise.withResolvers<string>();
    signal.addEventListener('abort', () => work.reject(new Error('nobody waits')));
    loads.push({ work, signal, callers: [], state: 'shared' });
    return work.promise;
  }
  const hasLeft = ({ leaving }: TestCaller): boolean => leaving.signal.aborted;
  const current = () =>
    loads.findLast(({ state, signal }) => state === 'shared' && !signal.aborted);

  return {
    join() {
      const leaving = new AbortController();
      const options = { signal: leaving.signal, endWhenAlone: true };
      const outcome = cache.get(key, load, options).catch((error: Error) => error.message);
      arriving.push({ leaving, outcome });
      callers.push({ leaving, outcome });
    },
    leave: (who: number) => callers[who % callers.length]?.leaving.abort(new Error('left')),
    leaveAll() {
      for (const { leaving } of callers) leaving.abort(new Error('left'));
    },
    forget() {
      cache.delete(key);
      const forgotten = current();
      if (forgotten !== undefined) forgotten.state = 'forgotten';
    },
    async settle(how: 'done' | 'failed') {
      const settled = current();
      if (settled === undefined) return;
      settled.state = how;
      if (how === 'done') settled.work.resolve(how);
      else settled.work.reject(new Error(how));
      for (const caller of settled.callers) {
        expect(await caller.outcome).toBe(hasLeft(caller) ? 'left' : how);
      }
    },
    /** What must hold whenever the event loop has turned. */
    check() {
      loads.at(-1)?.callers.push(...arriving.splice(0));
      const going = loads.filter(({ state }) => state === 'shared' || state === 'forgotten');
      for (const each of going) expect(each.signal.aborted).toBe(each.callers.every(hasLeft));
      const shared = going.filter(({ state, signal }) => state === 'shared' && !signal.aborted);
      expect(shared.length).toBeLessThanOrEqual(1);
    },
  };
}

/** Comings and goings within one turn of the event loop, or something that needs one for itself. */
const round = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.array(fc.oneof(fc.constant('join' as const), fc.nat()), { maxLength: 6 }),
  },
  { weight: 2, arbitrary: fc.constantFrom('done' as const, 'failed' as const, 'forget' as const) },
);

describe('a load that ends when nobody waits', () => {
  test('is one for each key, and ends exactly when its last caller has left', async () => {
    const rounds = fc.array(fc.tuple(fc.nat(1), round), { maxLength: 30 });
    await fc.assert(
      fc.asyncProperty(rounds, async (steps) => {
        const cache = createCache({ ttlMs: 0, maxEntries: 10, now });
        const keys = [keyUnderTest(cache, 'a'), keyUnderTest(cache, 'b')] as const;
        const turn = async (): Promise<void> => {
          await new Promise((resolve) => setImmediate(resolve));
          for (const key of keys) key.check();
        };
        for (const [index, actions] of steps) {
          const key = keys[index === 0 ? 0 : 1];
          if (actions === 'forget') key.forget();
          else if (typeof actions === 'string') await key.settle(actions);
          else {
            for (const each of actions) {
              if (each === 'join') key.join();
              else key.leave(each);
            }
          }
          await turn();
        }
        for (const key of keys) key.leaveAll();
        await turn();
      }),
      { numRuns: 200 },
    );
  });

  test('without being asked to, a load goes on for the next caller', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 10, now });
    const leaving = new AbortController();
    const work = Promise.withResolvers<string>();
    const load = vi.fn((_signal: AbortSignal) => work.promise);
    const first = cache.get('k', load, { signal: leaving.signal });
    leaving.abort(new Error('left'));
    await expect(first).rejects.toThrow('left');
    const second = cache.get('k', load);
    work.resolve('v');
    expect(await second).toBe('v');
    expect(load).toHaveBeenCalledTimes(1);
    expect(load.mock.calls[0]?.[0].aborted).toBe(false);
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

describe('failures', () => {
  const isMissing = (error: unknown) => error instanceof Error && error.message === 'missing';
  const failing = (message: string) => {
    let loads = 0;
    const load = async () => {
      loads += 1;
      throw new Error(message);
    };
    return { load, loads: () => loads };
  };

  test('are kept for a short time where they are an answer, and never others', async () => {
    const cache = createCache({ ttlMs: 3_600_000, maxEntries: 10, now });
    const missing = failing('missing');
    const other = failing('unavailable');
    for (let index = 0; index < 3; index += 1) {
      const options = { keepFailure: isMissing };
      await expect(cache.get('missing', missing.load, options)).rejects.toThrow('missing');
      await expect(cache.get('other', other.load, options)).rejects.toThrow('unavailable');
    }
    expect([missing.loads(), other.loads()]).toEqual([1, 3]);
    clock += 10_000;
    expect(await cache.get('missing', async () => 'made meanwhile')).toBe('made meanwhile');
  });

  test('displace no values, end with delete and clear, and are bounded', async () => {
    const cache = createCache({ ttlMs: 100, maxEntries: 2, now });
    await cache.get('good', async () => 1);
    const missing = failing('missing');
    const ask = async (key: string) =>
      cache.get(key, missing.load, { keepFailure: isMissing }).catch(() => undefined);
    for (let index = 0; index < 1001; index += 1) await ask(`k${index}`);
    expect(await cache.get('good', async () => 2)).toBe(1);
    await ask('k0');
    expect(missing.loads()).toBe(1002);
    cache.delete('k0');
    await ask('k0');
    cache.clear();
    await ask('k0');
    expect(missing.loads()).toBe(1004);
  });
});
