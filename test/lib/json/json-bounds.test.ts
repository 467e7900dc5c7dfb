import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureJson } from '../../../src/lib/json/json-bounds.ts';

const FREE = { maxDepth: Infinity, maxValues: Infinity };
const measure = (json: string, bounds = {}) =>
  measureJson(Buffer.from(json), { ...FREE, ...bounds });

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

function valuesOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 1;
  return Object.values(value).reduce((sum: number, member) => sum + valuesOf(member), 1);
}

test('the scan agrees with the parsed value about its depth and the number of its values', () => {
  const spaces = fc.constantFrom(undefined, 1, '\t');
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.nat(7), fc.nat(20), spaces, (dense, ...rest) => {
      const [maxDepth, maxValues, space] = rest;
      const value = JSON.parse(dense) as unknown;
      for (const json of [dense, JSON.stringify(value, null, space)]) {
        expect(measure(json)).toEqual({ values: valuesOf(value) });
        expect(measure(json, { maxDepth }).breaks?.bound === 'depth').toBe(
          depthOf(value) > maxDepth,
        );
        expect(measure(json, { maxValues: maxValues + 1 }).breaks?.bound === 'values').toBe(
          valuesOf(value) > maxValues + 1,
        );
      }
    }),
  );
});

test('brackets and commas within strings, also after escapes, do not count', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('[', '{', '"', '\\', ',', 'a') }), (text) => {
      expect(measure(JSON.stringify(text), { maxDepth: 0 })).toEqual({ values: 1 });
    }),
  );
});

test('it tells where it broke a bound, and no bytes make it fail', () => {
  expect(measure('{"a":[[1]]}', { maxDepth: 2 }).breaks).toEqual({ bound: 'depth', offset: 6 });
  expect(measure('[0,[]]', { maxValues: 2 }).breaks).toEqual({ bound: 'values', offset: 2 });
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(measureJson(bytes, FREE).values).toBeLessThanOrEqual(1 + bytes.length);
    }),
  );
});
