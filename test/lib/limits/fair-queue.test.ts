import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createFairQueue } from '../../../src/lib/limits/fair-queue.ts';

const WEIGHTS = { high: 16, middle: 4, low: 1 } as const;
type Class = keyof typeof WEIGHTS;
const CLASSES = Object.keys(WEIGHTS) as Class[];
const anyClass = fc.constantFrom(...CLASSES);
const all = () => true;

interface Item {
  readonly class: Class;
  readonly caller: string;
  readonly number: number;
}

describe('a fair queue', () => {
  test('gives out all that was not taken out, each once, of one caller in its order', () => {
    const step = fc.oneof(
      fc.record({ add: anyClass, caller: fc.constantFrom('a', 'b', 'c') }),
      fc.record({ cancel: fc.nat(200) }),
      fc.record({ shift: fc.subarray(CLASSES) }),
    );
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const queue = createFairQueue<Class, Item>(WEIGHTS);
        const removals: (() => void)[] = [];
        const waiting = new Set<number>();
        const items: Item[] = [];
        const taken: Item[] = [];
        function take(item: Item | undefined): void {
          if (item === undefined) return;
          expect(waiting.delete(item.number)).toBe(true);
          taken.push(item);
        }
        for (const each of steps) {
          if ('add' in each) {
            const item = { class: each.add, caller: each.caller, number: items.length };
            items.push(item);
            waiting.add(item.number);
            removals.push(queue.add(item, item.class, item.caller));
          } else if ('cancel' in each) {
            const number = each.cancel % Math.max(1, items.length);
            removals[number]?.();
            waiting.delete(number);
          } else {
            const mayGo = (name: Class) => each.shift.includes(name);
            const wanted = [...waiting].some((number) => mayGo(items[number]?.class ?? 'low'));
            expect(queue.some(mayGo)).toBe(wanted);
            const item = queue.shift(mayGo);
            expect(item !== undefined).toBe(wanted);
            if (item !== undefined) expect(mayGo(item.class)).toBe(true);
            take(item);
          }
          expect(queue.size).toBe(waiting.size);
        }
        while (queue.size > 0) take(queue.shift(all));
        expect(queue.shift(all)).toBeUndefined();
        for (const name of CLASSES) {
          for (const caller of ['a', 'b', 'c']) {
            const numbers = taken
              .filter((item) => item.class === name && item.caller === caller)
              .map(({ number }) => number);
            expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
          }
        }
      }),
    );
  });

  test('goes round among the callers of a class, however many one of them has brought', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 300 }), { minLength: 2, maxLength: 20 }),
        (counts) => {
          const queue = createFairQueue<Class, number>(WEIGHTS);
          counts.forEach((count, caller) => {
            for (let index = 0; index < count; index += 1) queue.add(caller, 'low', `${caller}`);
          });
          const left = [...counts];
          while (queue.size > 0) {
            const present = left.flatMap((count, caller) => (count > 0 ? [caller] : []));
            const round = present.map(() => queue.shift(all) ?? -1);
            expect(round.toSorted((a, b) => a - b)).toEqual(present);
            for (const caller of round) left[caller] = (left[caller] ?? 0) - 1;
          }
        },
      ),
    );
  });

  test('no class starves, whatever comes and goes in the others', () => {
    const others = fc.array(fc.subarray(['high', 'middle'] as const), {
      minLength: 200,
      maxLength: 400,
    });
    fc.assert(
      fc.property(others, (turns) => {
        const queue = createFairQueue<Class, Class>(WEIGHTS);
        for (let index = 0; index <= turns.length; index += 1) queue.add('low', 'low', 'a');
        let waited = 0;
        for (const brought of turns) {
          for (const name of brought) queue.add(name, name, 'b');
          waited = queue.shift(all) === 'low' ? 0 : waited + 1;
          expect(waited).toBeLessThanOrEqual(2 * (16 + 4 + 1));
        }
      }),
    );
  });

  test('shares the turns by weight while all wait', () => {
    const queue = createFairQueue<Class, Class>(WEIGHTS);
    for (const name of CLASSES) {
      for (let index = 0; index < 2100; index += 1) queue.add(name, name, `${index % 7}`);
    }
    const given = { high: 0, middle: 0, low: 0 };
    for (let turn = 0; turn < 2100; turn += 1) given[queue.shift(all) ?? 'low'] += 1;
    expect(given).toEqual({ high: 1600, middle: 400, low: 100 });
  });

  test('who comes first into a higher class goes next', () => {
    const queue = createFairQueue<Class, string>(WEIGHTS);
    for (let index = 0; index < 1000; index += 1) queue.add('report', 'low', 'a');
    for (let index = 0; index < 500; index += 1) queue.shift(all);
    queue.add('write', 'high', 'b');
    expect(queue.shift(all)).toBe('write');
  });
});
