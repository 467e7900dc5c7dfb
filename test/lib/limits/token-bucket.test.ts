import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  createTokenBucket,
  type TokenBucketOptions,
} from '../../../src/lib/limits/token-bucket.ts';
import { createTurnstile } from '../../../src/lib/limits/turnstile.ts';
import type { Sleep } from '../../../src/lib/retry.ts';

/** A clock of whole milliseconds that only moves when somebody sleeps. */
function virtualTime() {
  let clock = 1_700_000_000_000;
  return {
    now: () => clock,
    advance(ms: number) {
      clock += ms;
    },
    async sleep(ms: number, signal?: AbortSignal) {
      await new Promise((resolve) => setImmediate(resolve));
      signal?.throwIfAborted();
      clock += Math.ceil(ms);
    },
  };
}

/** A bucket behind a turnstile that nothing else holds up. */
function limited({ sleep, ...options }: TokenBucketOptions & { readonly sleep?: Sleep }) {
  const bucket = createTokenBucket(options);
  const classes = { all: { weight: 1, places: 1 } } as const;
  const turnstile = createTurnstile({ bucket, places: 10_000, classes, sleep });
  return {
    take: async (signal?: AbortSignal) =>
      void (await turnstile.enter({ class: 'all', caller: 'one' }, signal)),
    pauseUntil: (untilMs: number) => bucket.pauseUntil(untilMs),
    setPerMinute: (perMinute: number) => bucket.setPerMinute(perMinute),
    get perMinute() {
      return bucket.perMinute;
    },
  };
}

function mostInAnyMinute(times: readonly number[]): number {
  let most = 0;
  let start = 0;
  for (let end = 0; end < times.length; end += 1) {
    while ((times[end] ?? 0) - (times[start] ?? 0) >= 60_000) start += 1;
    most = Math.max(most, end - start + 1);
  }
  return most;
}

describe('a token bucket', () => {
  test('never gives more turns than its limit in any 60 seconds, whatever the pattern', async () => {
    const steps = fc.array(
      fc.oneof(
        { weight: 6, arbitrary: fc.record({ ask: fc.integer({ min: 1, max: 60 }) }) },
        { weight: 3, arbitrary: fc.record({ quietMs: fc.nat(90_000) }) },
        { weight: 1, arbitrary: fc.record({ pauseMs: fc.nat(90_000) }) },
      ),
      { minLength: 1, maxLength: 12 },
    );
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 150 }),
        fc.option(fc.integer({ min: 1, max: 300 }), { nil: undefined }),
        steps,
        async (perMinute, burst, script) => {
          const time = virtualTime();
          const bucket = limited({
            perMinute,
            ...(burst === undefined ? {} : { burst }),
            ...time,
          });
          const times: number[] = [];
          const turns: Promise<void>[] = [];
          for (const step of script) {
            if ('quietMs' in step) {
              await Promise.all(turns);
              time.advance(step.quietMs);
            } else if ('pauseMs' in step) {
              bucket.pauseUntil(time.now() + step.pauseMs);
            } else {
              for (let index = 0; index < step.ask; index += 1) {
                turns.push(bucket.take().then(() => void times.push(time.now())));
              }
            }
          }
          await Promise.all(turns);
          expect(mostInAnyMinute(times)).toBeLessThanOrEqual(perMinute);
        },
      ),
      { numRuns: 60 },
    );
  });

  test('uses the whole of its limit when there is enough to do', async () => {
    const time = virtualTime();
    const bucket = limited({ perMinute: 600, ...time });
    const begun = time.now();
    await Promise.all(Array.from({ length: 1200 }, () => bucket.take()));
    expect(time.now() - begun).toBeLessThan(125_000);
  });

  test('lets one second of work go at once after a quiet time', async () => {
    const time = virtualTime();
    const bucket = limited({ perMinute: 600, ...time });
    const begun = time.now();
    for (let index = 0; index < 10; index += 1) await bucket.take();
    expect(time.now()).toBe(begun);
    await bucket.take();
    expect(time.now()).toBeGreaterThan(begun);
  });

  test('first come, first served', async () => {
    const bucket = limited({ perMinute: 60, ...virtualTime() });
    const order: number[] = [];
    await Promise.all([1, 2, 3, 4, 5].map((n) => bucket.take().then(() => order.push(n))));
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });

  test('nobody goes before the end of a pause, and then not all at once', async () => {
    const time = virtualTime();
    const bucket = limited({ perMinute: 60, ...time });
    await bucket.take();
    const begun = time.now();
    const times: number[] = [];
    const turns = Array.from({ length: 30 }, () =>
      bucket.take().then(() => void times.push(time.now())),
    );
    bucket.pauseUntil(begun + 120_000);
    bucket.pauseUntil(begun + 1000);
    await Promise.all(turns);
    expect(times[0]).toBeGreaterThanOrEqual(begun + 120_000);
    expect(times[29]).toBeGreaterThanOrEqual(begun + 120_000 + 29 * 1000 - 1);
  });

  test("follows the server's lower limit, also for those who wait, and never rises above its own", async () => {
    const time = virtualTime();
    const bucket = limited({ perMinute: 600, ...time });
    const begun = time.now();
    const turns = Array.from({ length: 40 }, () => bucket.take());
    bucket.setPerMinute(30);
    expect(bucket.perMinute).toBe(30);
    await Promise.all(turns);
    expect(time.now() - begun).toBeGreaterThanOrEqual(55_000);
    bucket.setPerMinute(10_000);
    expect(bucket.perMinute).toBe(600);
    bucket.setPerMinute(Number.NaN);
    expect(bucket.perMinute).toBe(600);
  });

  test('a caller who leaves gets the reason and costs the others no turn', async () => {
    const time = virtualTime();
    const bucket = limited({ perMinute: 60, ...time });
    await bucket.take();
    const begun = time.now();
    const leaving = new AbortController();
    const left = Array.from({ length: 500 }, () => bucket.take(leaving.signal));
    const stays = bucket.take();
    const reason = new Error('caller left');
    leaving.abort(reason);
    for (const { status, ...rest } of await Promise.allSettled(left)) {
      expect({ status, ...rest }).toEqual({ status: 'rejected', reason });
    }
    await stays;
    expect(time.now() - begun).toBeLessThanOrEqual(2000);
  });

  test('serves again after everybody has left', async () => {
    const bucket = limited({ perMinute: 60_000 });
    bucket.pauseUntil(Date.now() + 20);
    const leaving = new AbortController();
    const left = bucket.take(leaving.signal);
    leaving.abort(new Error('left'));
    const next = bucket.take();
    await expect(left).rejects.toThrow('left');
    await next;
  });

  test('a signal that has aborted already takes no turn', async () => {
    const bucket = limited({ perMinute: 1, ...virtualTime() });
    await expect(bucket.take(AbortSignal.abort(new Error('left')))).rejects.toThrow('left');
    await bucket.take();
  });
});
