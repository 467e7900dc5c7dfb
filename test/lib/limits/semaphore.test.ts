import { setImmediate as turn } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createSemaphore } from '../../../src/lib/limits/semaphore.ts';

const NEVER = new AbortController().signal;

function semaphoreOf(places: number, maxWaiting: number) {
  return createSemaphore({
    places,
    maxWaiting,
    refusal: (waiting) => new Error(`${waiting} wait already`),
  });
}

test('refuses when too many wait, and says how many', async () => {
  const semaphore = semaphoreOf(1, 1);
  const first = Promise.withResolvers<string>();
  const running = semaphore.run(() => first.promise, NEVER);
  const waits = semaphore.run(async () => 'second', NEVER);
  await expect(semaphore.run(async () => 'third', NEVER)).rejects.toThrow('1 wait already');
  first.resolve('first');
  expect(await Promise.all([running, waits])).toEqual(['first', 'second']);
  expect(await semaphore.run(async () => 'fourth', NEVER)).toBe('fourth');
});

test.each([0, 1, 2, 3, 4, 5, 6])(
  'an abort %i microtasks around its turn costs nobody else a place in the line',
  async (microtasks) => {
    const semaphore = semaphoreOf(1, 5);
    const first = Promise.withResolvers<void>();
    const caller = new AbortController();
    const running = semaphore.run(() => first.promise, NEVER);
    const second = semaphore.run(async () => 'second', caller.signal);
    const third = semaphore.run(async () => 'third', NEVER);
    first.resolve();
    for (let passed = 0; passed < microtasks; passed += 1) await Promise.resolve();
    caller.abort(new Error('gone'));
    await second.catch(() => undefined);
    await running;
    expect(await third).toBe('third');
  },
);

test('never runs more than its places, and everybody comes to an end, whoever gives up', async () => {
  const step = fc.oneof(
    fc.constant({ kind: 'begin' as const }),
    fc.record({ kind: fc.constant('end' as const), which: fc.nat() }),
    fc.record({ kind: fc.constant('abort' as const), which: fc.nat() }),
    fc.constant({ kind: 'turn' as const }),
  );
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 1, max: 3 }), fc.array(step), async (places, steps) => {
      const semaphore = semaphoreOf(places, 4);
      const callers: AbortController[] = [];
      const ends: (() => void)[] = [];
      const all: Promise<unknown>[] = [];
      let active = 0;
      for (const next of steps) {
        if (next.kind === 'turn') {
          await turn();
        } else if (next.kind === 'begin') {
          const caller = new AbortController();
          callers.push(caller);
          const work = async () => {
            active += 1;
            expect(active).toBeLessThanOrEqual(places);
            const end = Promise.withResolvers<void>();
            ends.push(end.resolve);
            await end.promise;
            active -= 1;
          };
          all.push(semaphore.run(work, caller.signal).catch((error: unknown) => error));
        } else if (next.kind === 'end') {
          ends[next.which % ends.length]?.();
        } else {
          callers[next.which % callers.length]?.abort(new Error('gone'));
        }
      }
      // The first round lets the last one begin; each other ends at least one.
      for (let round = 0; round <= all.length; round += 1) {
        for (const end of ends) end();
        await turn();
      }
      for (const error of await Promise.all(all)) {
        if (error !== undefined) expect((error as Error).message).toMatch(/gone|wait already/);
      }
      expect(active).toBe(0);
    }),
    { numRuns: 200 },
  );
});
