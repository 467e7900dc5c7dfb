import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FieldError } from '../../../src/attributes/definitions/definition-check.ts';
import { createConversationCounter } from '../../../src/attributes/report/conversation-counter.ts';
import { createDistinctEstimate } from '../../../src/attributes/report/distinct-estimate.ts';
import { createSeenConversations } from '../../../src/attributes/report/seen-conversations.ts';
import { createValueCounter } from '../../../src/attributes/report/value-counter.ts';

const everything = { validOnly: false };

describe('the estimate of distinct values', () => {
  const STANDARD_ERROR = 1.04 / 2 ** 7;

  test.each([0, 1, 10, 1000, 5000, 20_000, 40_000, 80_000, 300_000])(
    'is within four standard errors at %d',
    (size) => {
      for (let seed = 0; seed < (size > 50_000 ? 3 : 10); seed += 1) {
        const estimate = createDistinctEstimate(seed);
        for (let index = 0; index < size; index += 1) estimate.add(`value-${seed}-${index}`);
        // One more or less is rounding.
        const error = Math.abs(estimate.count - size);
        expect(error).toBeLessThanOrEqual(1 + 4 * STANDARD_ERROR * size);
      }
    },
  );

  test('has no bias: its errors cancel out over many runs', () => {
    const runs = 60;
    let sum = 0;
    for (let seed = 0; seed < runs; seed += 1) {
      const estimate = createDistinctEstimate(seed * 7919);
      for (let index = 0; index < 25_000; index += 1) estimate.add(String(index));
      sum += estimate.count / 25_000 - 1;
    }
    expect(Math.abs(sum / runs)).toBeLessThan((4 * STANDARD_ERROR) / Math.sqrt(runs));
  });

  test('does not grow with repetition', () => {
    const estimate = createDistinctEstimate();
    for (let round = 0; round < 50; round += 1) {
      for (let index = 0; index < 100; index += 1) estimate.add(`v${index}`);
    }
    expect(estimate.count).toBeGreaterThan(96);
    expect(estimate.count).toBeLessThan(104);
  });
});

describe('the value counter', () => {
  const values = fc.oneof(fc.string(), fc.integer({ min: -3, max: 3 }), fc.boolean());

  test('counts exactly while there are few different values', () => {
    fc.assert(
      fc.property(fc.array(values, { maxLength: 200 }), (all) => {
        const counter = createValueCounter();
        const truth = new Map<unknown, number>();
        for (const value of all) {
          counter.add(value);
          truth.set(value, (truth.get(value) ?? 0) + 1);
        }
        expect(counter.distinct()).toEqual({ count: truth.size, exact: true });
        const top = counter.top(10_000, everything);
        expect(top).toMatchObject({ exact: true, errorAtMost: 0 });
        expect(new Map(top.values.map(({ value, count }) => [value, count]))).toEqual(truth);
        const counts = top.values.map(({ count }) => count);
        expect(counts).toEqual(counts.toSorted((a, b) => b - a));
      }),
    );
  });

  test('tells 1 from "1" and true from "true", and takes equal lists for equal', () => {
    const counter = createValueCounter();
    for (const value of [1, '1', true, 'true', [1], [1], { a: 1 }, { a: 1 }]) counter.add(value);
    expect(counter.distinct().count).toBe(6);
    expect(counter.top(2, everything).values).toEqual([
      { value: '[1]', count: 2 },
      { value: '{"a":1}', count: 2 },
    ]);
  });

  test('with more values than it can keep, its error stays within what it says', () => {
    fc.assert(
      fc.property(
        fc.array(fc.nat(300), { minLength: 500, maxLength: 3000 }),
        fc.integer({ min: 10, max: 50 }),
        (all, maxValues) => {
          const counter = createValueCounter({ maxValues });
          const truth = new Map<unknown, number>();
          for (const value of all) {
            // Squared, so that some values are far more frequent than others.
            const skewed = Math.floor((value * value) / 300);
            counter.add(skewed);
            truth.set(skewed, (truth.get(skewed) ?? 0) + 1);
          }
          const { values: top, exact, errorAtMost } = counter.top(1000, everything);
          expect(exact).toBe(errorAtMost === 0);
          expect(top.length).toBeLessThanOrEqual(maxValues);
          for (const { value, count } of top) {
            const real = truth.get(value) ?? 0;
            expect(count).toBeLessThanOrEqual(real);
            expect(count + errorAtMost).toBeGreaterThanOrEqual(real);
          }
          const shown = new Set(top.map(({ value }) => value));
          for (const [value, real] of truth) {
            if (real > 2 * errorAtMost) expect(shown.has(value as number)).toBe(true);
          }
          const { count } = counter.distinct();
          expect(Math.abs(count - truth.size)).toBeLessThanOrEqual(1 + truth.size * 0.05);
        },
      ),
      { numRuns: 40 },
    );
  });

  test('a million different values take bounded memory and give no false favourites', () => {
    const counter = createValueCounter();
    for (let index = 0; index < 200_000; index += 1) {
      counter.add(`T${index}`);
      if (index % 10 === 0) counter.add('often');
    }
    const { count, exact } = counter.distinct();
    expect(exact).toBe(false);
    expect(Math.abs(count - 200_001) / 200_001).toBeLessThan(0.033);
    expect(counter.top(10, everything).values.map(({ value }) => value)).toEqual(['often']);
  });

  test('long texts are told apart though only their beginning is kept', () => {
    const counter = createValueCounter();
    const long = 'x'.repeat(100_000);
    for (const value of [long, long, `${long}y`, `${long}z`]) counter.add(value);
    expect(counter.distinct().count).toBe(3);
    const [first] = counter.top(1, everything).values;
    expect(first?.count).toBe(2);
    expect(String(first?.value).length).toBeLessThan(200);
  });

  test('checks each different value once and counts broken rules for every occurrence', () => {
    let checks = 0;
    const check = (value: unknown): FieldError[] => {
      checks += 1;
      return value === 'URGENT' ? [{ attribute: 'a', rule: 'regex', message: 'no' }] : [];
    };
    const counter = createValueCounter({ check });
    for (let index = 0; index < 100; index += 1) counter.add(index % 4 === 0 ? 'URGENT' : 'high');
    expect(checks).toBe(2);
    expect(counter.violations).toEqual(new Map([['regex', 25]]));
    expect(counter.top(5, { validOnly: true }).values).toEqual([{ value: 'high', count: 75 }]);
  });
});

describe('seen conversations', () => {
  test('each id is new once, whatever the ids and the order', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ maxLength: 4 }), fc.nat(365)), { maxLength: 500 }),
        (notes) => {
          const seen = createSeenConversations(1000);
          const earliest = new Map<string, number>();
          for (const [id, day] of notes) {
            expect(seen.note(id, day)).toBe(earliest.get(id));
            earliest.set(id, Math.min(earliest.get(id) ?? day, day));
          }
        },
      ),
    );
  });

  test('survives growing', () => {
    const seen = createSeenConversations(1_000_000);
    const notes = (dayOf: (index: number) => number) =>
      Array.from({ length: 100_000 }, (_, index) => seen.note(`c-${index}`, dayOf(index)));
    expect(new Set(notes((index) => index % 300))).toEqual(new Set([undefined]));
    expect(notes(() => 365).every((day, index) => day === index % 300)).toBe(true);
  });

  test('beyond its bound it says that it no longer knows', () => {
    const counter = createConversationCounter(3);
    for (const conversationId of ['a', 'b', 'c']) counter.add({ conversationId }, 0);
    expect(counter.allChecked).toBe(true);
    counter.add({ conversationId: 'a' }, 1);
    for (const conversationId of ['d', 'd']) counter.add({ conversationId }, 0);
    expect(counter).toMatchObject({ count: 5, repeated: 1, allChecked: false });
  });

  test('conversations without an id all count, and it says that they were not checked', () => {
    const counter = createConversationCounter();
    counter.add({}, 0);
    counter.add({ conversationId: '' }, 0);
    expect(counter).toMatchObject({ count: 2, repeated: 0, allChecked: false });
  });
});
