import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTurnstile } from '../../../src/lib/limits/turnstile.ts';

const CLASSES = {
  stream: { weight: 8, places: 'none needed' },
  call: { weight: 4, places: 1 },
  report: { weight: 1, places: 0.5 },
} as const;
type Class = keyof typeof CLASSES;

const unlimited = { tryTake: () => 0 };
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe('a turnstile', () => {
  test('never has more inside than it has places, and lets everybody in at last', async () => {
    const visitor = fc.record({
      class: fc.constantFrom<Class>('stream', 'call', 'report'),
      caller: fc.constantFrom('a', 'b'),
      leavesEarly: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 6 }),
        fc.array(visitor, { maxLength: 60 }),
        async (places, visitors) => {
          const inside = { stream: 0, call: 0, report: 0 };
          const turnstile = createTurnstile({ bucket: unlimited, places, classes: CLASSES });
          const visits = visitors.map(async ({ leavesEarly, ...who }) => {
            const leaving = new AbortController();
            const entering = turnstile.enter(who, leaving.signal);
            if (leavesEarly) leaving.abort(new Error('left'));
            const leave = await entering.catch(() => undefined);
            if (leave === undefined) return 'left';
            inside[who.class] += 1;
            expect(inside.call + inside.report).toBeLessThanOrEqual(places);
            expect(inside.report).toBeLessThanOrEqual(Math.max(1, Math.floor(places / 2)));
            await settled();
            inside[who.class] -= 1;
            leave();
            leave();
            return 'was inside';
          });
          const fates = await Promise.all(visits);
          for (const [index, { leavesEarly }] of visitors.entries()) {
            if (!leavesEarly) expect(fates[index]).toBe('was inside');
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  test('a stream waits for no place, and a report leaves one to the others', async () => {
    const turnstile = createTurnstile({ bucket: unlimited, places: 2, classes: CLASSES });
    const leave = await turnstile.enter({ class: 'report', caller: 'a' });
    let isInside = false;
    const enterSecond = async () => {
      await turnstile.enter({ class: 'report', caller: 'a' });
      isInside = true;
    };
    const second = enterSecond();
    await turnstile.enter({ class: 'call', caller: 'b' });
    await turnstile.enter({ class: 'stream', caller: '' });
    await settled();
    expect(isInside).toBe(false);
    leave();
    await second;
  });

  test('a thousand who wait do not delay the one of another caller', async () => {
    const order: string[] = [];
    let left = 0;
    const turnstile = createTurnstile({
      bucket: { tryTake: () => (left > 0 ? ((left -= 1), 0) : 50) },
      places: 5000,
      classes: CLASSES,
      sleep: settled as () => Promise<void>,
    });
    const leaving = new AbortController();
    const enter = async (who: Class, caller: string) => {
      await turnstile.enter({ class: who, caller }, leaving.signal);
      order.push(caller);
    };
    const greedy = Array.from({ length: 1000 }, () => enter('call', 'greedy'));
    const others = ['x', 'y'].map((caller) => enter('call', caller));
    left = 4;
    await Promise.all(others);
    expect(order.length).toBeLessThanOrEqual(4);
    leaving.abort(new Error('over'));
    const ends = await Promise.allSettled(greedy);
    expect(ends.filter(({ status }) => status === 'fulfilled').length).toBeLessThanOrEqual(2);
  });
});
