import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createBatchSize } from '../../../src/attributes/upsert/batch-size.ts';

function sizes(start = 500, min = 50, max = 1000) {
  const changes: [number, string][] = [];
  const size = createBatchSize({
    start,
    min,
    max,
    targetLatencyMs: 100,
    onChange: (current, reason) => changes.push([current, reason]),
  });
  const observe = (facts: {
    sent?: number;
    latencyMs?: number;
    throttled?: number;
    epoch?: number;
  }) =>
    size.observe({ sent: size.current, latencyMs: 10, throttled: 0, epoch: size.epoch, ...facts });
  return { size, changes, observe };
}

test('fast full batches make it grow by steps, slow ones and 429s halve it', () => {
  const { changes, observe } = sizes();
  observe({});
  observe({ latencyMs: 101 });
  observe({ throttled: 1 });
  expect(changes).toEqual([
    [550, 'fast'],
    [275, 'slow'],
    [137, 'throttled'],
  ]);
});

test('a batch that was not full proves nothing about its size', () => {
  const { changes, observe } = sizes();
  observe({ sent: 499 });
  expect(changes).toEqual([]);
});

test('batches that were formed before a decrease do not decrease it again', () => {
  const { size, observe } = sizes();
  const { epoch } = size;
  observe({ throttled: 1, epoch });
  observe({ throttled: 1, epoch });
  observe({ latencyMs: 999, epoch });
  expect(size.current).toBe(250);
});

test('it stays between floor and cap whatever happens', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 1000 }),
      fc.array(fc.record({ latencyMs: fc.integer({ min: 0, max: 200 }), throttled: fc.nat(2) })),
      (start, writes) => {
        const { size, observe } = sizes(start, 20, 700);
        for (const write of writes) observe(write);
        expect(size.current).toBeGreaterThanOrEqual(20);
        expect(size.current).toBeLessThanOrEqual(700);
      },
    ),
  );
});
