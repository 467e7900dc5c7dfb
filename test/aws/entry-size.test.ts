import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createEventBus } from '../../src/aws/event-bridge.ts';
import type { BusEntry } from '../../src/events/ports.ts';
import { splitIntoBatches } from '../../src/lib/batches.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from './aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
beforeAll(async () => {
  sandbox = await startAws({ keepEvents: 20 });
});
afterAll(() => sandbox.close());

/** Texts whose length in UTF-8 is 1 to 4 times their length, from nothing to far over the limit. */
const text = fc
  .tuple(fc.constantFrom('x', 'é', '漢', '🎧', '"', '\\'), fc.integer({ min: 0, max: 130_000 }))
  .map(([character, times]) => character.repeat(times));

const entry: fc.Arbitrary<BusEntry> = fc.record(
  {
    source: fc.constantFrom('genesys.cloud', 'ünïcode'),
    detailType: fc.constantFrom('interaction.event', '漢'.repeat(100)),
    detail: text.map((value) => JSON.stringify({ value })),
    time: fc.constant(new Date()),
    resources: fc.array(fc.constantFrom('/genesys/1', 'é'.repeat(2000)), { maxLength: 3 }),
    traceHeader: fc.constant('t'.repeat(500)),
  },
  { requiredKeys: ['source', 'detailType', 'detail', 'time', 'resources'] },
);

test('batches packed by the size of their entries are never refused, and none is left out', async () => {
  const bus = createEventBus({ ...wayTo(sandbox.url), busName: 'orders', maxBytes: 1_000_000 });
  const bytesOf = (one: BusEntry) => bus.bytesOf(one);
  const limits = { maxItems: bus.maxEntries, maxBytes: bus.maxBytes, bytesOf };
  await fc.assert(
    fc.asyncProperty(fc.array(entry, { minLength: 1, maxLength: 25 }), async (entries) => {
      const fitting = entries.filter((one) => bytesOf(one) <= bus.maxBytes);
      const batches = splitIntoBatches(fitting, limits);
      for (const batch of batches) {
        const outcomes = await bus.put(batch);
        expect(outcomes.every(({ accepted }) => accepted)).toBe(true);
      }
      expect(batches.flat()).toEqual(fitting);
    }),
    { numRuns: 25 },
  );
  bus.close();
});

test('the largest entry is taken, and one byte more is refused as too large', async () => {
  const bus = createEventBus({ ...wayTo(sandbox.url), busName: 'orders', maxBytes: 1_000_000 });
  const sized = (bytes: number): BusEntry => {
    const empty: BusEntry = {
      source: 'genesys.cloud',
      detailType: 'interaction.event',
      detail: '{"v":""}',
      time: new Date(),
      resources: ['/genesys/1'],
    };
    const detail = `{"v":"${'x'.repeat(bytes - bus.bytesOf(empty))}"}`;
    return { ...empty, detail };
  };
  expect(await bus.put([sized(bus.maxBytes)])).toMatchObject([{ accepted: true }]);
  await expect(bus.put([sized(bus.maxBytes + 1)])).rejects.toMatchObject({
    code: 'eventbridge_too_large',
    kind: 'reject',
  });
  bus.close();
});
