import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { fullJitterMs, parseRetryAfter, retry, retryDelayMs, sleep } from '../../src/lib/retry.ts';

const policy = { maxTries: 5, baseMs: 500, capMs: 30_000 };
const now = Date.parse('2026-01-01T00:00:00Z');

describe('the delay before the next try', () => {
  const policies = fc.record({
    maxTries: fc.integer({ min: 1, max: 50 }),
    baseMs: fc.integer({ min: 1, max: 60_000 }),
    capMs: fc.integer({ min: 1, max: 600_000 }),
    budgetMs: fc.integer({ min: 1, max: 3_600_000 }),
  });

  test('is a whole number from 0 to the smaller of cap and exponential bound', () => {
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 5000 }),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (given, failedTries, random) => {
          const delayMs = fullJitterMs(given, failedTries, () => random);
          expect(Number.isInteger(delayMs)).toBe(true);
          expect(delayMs).toBeGreaterThanOrEqual(0);
          expect(delayMs).toBeLessThanOrEqual(
            Math.min(given.capMs, given.baseMs * 2 ** (failedTries - 1)),
          );
        },
      ),
    );
  });

  test('is never given after the last try, and never reaches beyond the budget', () => {
    fc.assert(
      fc.property(
        policies,
        fc.integer({ min: 1, max: 60 }),
        fc.nat(4_000_000),
        fc.option(fc.nat(4_000_000), { nil: undefined }),
        (given, failedTries, elapsedMs, retryAfterMs) => {
          const delayMs = retryDelayMs(given, { failedTries, elapsedMs, retryAfterMs });
          if (failedTries >= given.maxTries) expect(delayMs).toBeUndefined();
          if (delayMs !== undefined)
            expect(elapsedMs + delayMs).toBeLessThanOrEqual(given.budgetMs);
        },
      ),
    );
  });

  test("is the server's own, without jitter and without our cap", () => {
    expect(retryDelayMs(policy, { failedTries: 1, elapsedMs: 0, retryAfterMs: 90_000 })).toBe(
      90_000,
    );
    expect(retryDelayMs(policy, { failedTries: 4, elapsedMs: 0, retryAfterMs: 0 })).toBe(0);
  });

  test('spreads over the whole range', () => {
    expect(fullJitterMs(policy, 3, () => 0)).toBe(0);
    expect(fullJitterMs(policy, 3, () => 0.5)).toBe(1000);
    expect(fullJitterMs(policy, 100, () => 0.999_999)).toBe(29_999);
  });
});

describe('Retry-After', () => {
  test.each([
    ['3', 3000],
    [' 0 ', 0],
    ['1.5', 1500],
    ['Thu, 01 Jan 2026 00:00:07 GMT', 7000],
    ['Thursday, 01-Jan-26 00:00:07 GMT', 7000],
    ['Thu Jan  1 00:00:07 2026', 7000],
    ['Wed, 31 Dec 2025 23:59:00 GMT', 0],
  ])('%j means %d ms', (value, expected) => {
    expect(parseRetryAfter(value, now)).toBe(expected);
  });

  test.each([
    undefined,
    '',
    ' ',
    'soon',
    'soon 12',
    'May',
    '-3',
    '1e3',
    '12345678901',
    '2026-01-01',
    'Xyz, 41 Foo 2026 00:00:07 GMT',
    'Infinity',
    'NaN',
  ])('%j says nothing', (value) => {
    expect(parseRetryAfter(value, now)).toBeUndefined();
  });

  test('whatever is sent, it is absent or a finite wait', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.date().map(String)), (value) => {
        const ms = parseRetryAfter(value, now);
        expect(ms === undefined || (Number.isFinite(ms) && ms >= 0)).toBe(true);
      }),
    );
  });

  test('reads every HTTP date back to the second', () => {
    const dates = fc.date({ min: new Date(now), max: new Date(now + 1e11), noInvalidDate: true });
    fc.assert(
      fc.property(dates, (date) => {
        const ms = parseRetryAfter(date.toUTCString(), now);
        expect(ms).toBe(Math.floor(date.getTime() / 1000) * 1000 - now);
      }),
    );
  });
});

describe('retry', () => {
  const transient = () => ({ retry: true });

  function recordingSleep() {
    const slept: number[] = [];
    return {
      slept,
      sleep: (ms: number) => {
        slept.push(ms);
        return Promise.resolve();
      },
    };
  }

  test('repeats until it succeeds and tells each try its number', async () => {
    const { sleep, slept } = recordingSleep();
    const tries: number[] = [];
    const result = await retry(
      (tryNumber) => {
        tries.push(tryNumber);
        return tryNumber < 3 ? Promise.reject(new Error('busy')) : Promise.resolve('done');
      },
      { policy, classify: transient, random: () => 0.5, sleep },
    );
    expect(result).toBe('done');
    expect(tries).toEqual([1, 2, 3]);
    expect(slept).toEqual([250, 500]);
  });

  test('throws the last failure as it is when the tries are used up', async () => {
    const { sleep } = recordingSleep();
    const failures = [new Error('1'), new Error('2'), new Error('3')];
    await expect(
      retry((tryNumber) => Promise.reject(failures[tryNumber - 1] ?? new Error('one too many')), {
        policy: { ...policy, maxTries: 3 },
        classify: transient,
        sleep,
      }),
    ).rejects.toBe(failures[2]);
  });

  test('does not repeat what is not worth it', async () => {
    const operation = vi.fn(() => Promise.reject(new Error('no such bus')));
    await expect(retry(operation, { policy, classify: () => ({ retry: false }) })).rejects.toThrow(
      'no such bus',
    );
    expect(operation).toHaveBeenCalledTimes(1);
  });

  test('starts no try beyond the budget', async () => {
    let clock = 0;
    const operation = vi.fn(() => {
      clock += 401;
      return Promise.reject(new Error('slow'));
    });
    await expect(
      retry(operation, {
        policy: { ...policy, budgetMs: 1000 },
        classify: () => ({ retry: true, retryAfterMs: 100 }),
        now: () => clock,
        sleep: (ms) => {
          clock += ms;
          return Promise.resolve();
        },
      }),
    ).rejects.toThrow('slow');
    expect(operation).toHaveBeenCalledTimes(2);
  });

  test("an abort during the wait ends it with the signal's own reason", async () => {
    const controller = new AbortController();
    const reason = new Error('shutting down');
    const running = retry(() => Promise.reject(new Error('busy')), {
      policy,
      signal: controller.signal,
      classify: () => ({ retry: true, retryAfterMs: 3_600_000 }),
      onRetry: () => setImmediate(() => controller.abort(reason)),
    });
    await expect(running).rejects.toBe(reason);
  });

  test('an abort during a try is not taken for a failure of the try', async () => {
    const controller = new AbortController();
    const reason = new Error('caller left');
    const operation = vi.fn(() => {
      controller.abort(reason);
      return Promise.reject(new Error('socket closed'));
    });
    await expect(
      retry(operation, { policy, signal: controller.signal, classify: transient }),
    ).rejects.toBe(reason);
    expect(operation).toHaveBeenCalledTimes(1);
  });
});

describe('sleep', () => {
  test('is not cut short by the longest timer of the platform', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] });
    try {
      const controller = new AbortController();
      let woke = false;
      const sleeping = sleep(2 ** 40, controller.signal).then(
        () => (woke = true),
        () => undefined,
      );
      await vi.advanceTimersByTimeAsync(10_000);
      expect(woke).toBe(false);
      controller.abort();
      await sleeping;
      expect(woke).toBe(false);
    } finally {
      vi.useRealTimers();
    }
  });
});
