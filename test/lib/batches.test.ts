import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitIntoBatches } from '../../src/lib/batches.ts';

const limits = fc.record({
  maxItems: fc.integer({ min: 1, max: 20 }),
  maxBytes: fc.integer({ min: 1, max: 200 }),
});
const sizes = fc.array(fc.integer({ min: 0, max: 300 }), { maxLength: 200 });
const sum = (batch: readonly number[]) => batch.reduce((total, size) => total + size, 0);

function expectWithin(
  batches: readonly (readonly number[])[],
  given: { maxItems: number; maxBytes: number },
) {
  for (const batch of batches) {
    expect(batch.length).toBeGreaterThan(0);
    expect(batch.length).toBeLessThanOrEqual(given.maxItems);
    if (batch.length > 1) expect(sum(batch)).toBeLessThanOrEqual(given.maxBytes);
  }
}

test('splitting loses nothing, keeps the order and exceeds no limit', () => {
  fc.assert(
    fc.property(limits, sizes, (given, items) => {
      const batches = splitIntoBatches(items, { ...given, bytesOf: (size) => size });
      expect(batches.flat()).toEqual(items);
      expectWithin(batches, given);
    }),
  );
});

test('splitting makes no batch that its successor would still have fitted into', () => {
  fc.assert(
    fc.property(limits, sizes, (given, items) => {
      const batches = splitIntoBatches(items, { ...given, bytesOf: (size) => size });
      for (const [index, batch] of batches.entries()) {
        const next = batches[index + 1]?.[0];
        if (next === undefined) continue;
        expect(batch.length === given.maxItems || sum(batch) + next > given.maxBytes).toBe(true);
      }
    }),
  );
});
