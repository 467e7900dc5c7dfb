import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFifo } from '../../src/lib/fifo.ts';

test('behaves like an array with push and shift', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: -400, max: 600 }), { maxLength: 20 }), (steps) => {
      const fifo = createFifo<number>();
      const model: number[] = [];
      let next = 0;
      for (const step of steps) {
        for (let index = 0; index < step; index += 1) {
          next += 1;
          fifo.push(next);
          model.push(next);
        }
        for (let index = 0; index > step; index -= 1) {
          expect(fifo.peek()).toBe(model[0]);
          expect(fifo.shift()).toBe(model.shift());
        }
        expect(fifo.size).toBe(model.length);
      }
    }),
  );
});

test('keeps nothing alive that was taken out, also when it never runs empty', async () => {
  const fifo = createFifo<object>();
  const watched: WeakRef<object>[] = [];
  fifo.push({});
  for (let round = 0; round < 2000; round += 1) {
    const item = { round };
    watched.push(new WeakRef(item));
    fifo.push(item);
    fifo.shift();
  }
  expect(fifo.size).toBe(1);
  await expect
    .poll(
      () => {
        // Pressure, so that the collector has a reason to come.
        void Array.from({ length: 1_000_000 }, (_, index) => ({ index }));
        return watched.filter((reference) => reference.deref() !== undefined).length;
      },
      { timeout: 10_000 },
    )
    .toBeLessThan(10);
});
