import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { createBatcher, splitIntoBatches } from '../../src/lib/batches.ts';

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

describe('collecting', () => {
  test('loses nothing, keeps the order and exceeds no limit', () => {
    fc.assert(
      fc.property(limits, sizes, (given, items) => {
        const batches: number[][] = [];
        const batcher = createBatcher<number>({
          ...given,
          lingerMs: 60_000,
          bytesOf: (size) => size,
          onBatch: (batch) => batches.push(batch),
        });
        for (const item of items) batcher.add(item);
        batcher.flush();
        expect(batcher.waiting).toBe(0);
        expect(batches.flat()).toEqual(items);
        expectWithin(batches, given);
      }),
    );
  });

  test('the first item of a batch waits no longer than the linger time', () => {
    vi.useFakeTimers();
    try {
      const batches: string[][] = [];
      const batcher = createBatcher<string>({
        maxItems: 10,
        maxBytes: 1000,
        lingerMs: 50,
        bytesOf: (text) => text.length,
        onBatch: (batch) => batches.push(batch),
      });
      batcher.add('a');
      vi.advanceTimersByTime(40);
      batcher.add('b');
      expect(batches).toEqual([]);
      vi.advanceTimersByTime(10);
      expect(batches).toEqual([['a', 'b']]);
      expect(vi.getTimerCount()).toBe(0);
      batcher.add('c');
      batcher.flush();
      expect(vi.getTimerCount()).toBe(0);
      batcher.flush();
      expect(batches).toEqual([['a', 'b'], ['c']]);
    } finally {
      vi.useRealTimers();
    }
  });
});
