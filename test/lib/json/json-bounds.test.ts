import fc from 'fast-check';
import { expect, test } from 'vitest';
import { measureJson } from '../../../src/lib/json/json-bounds.ts';

const measure = (json: string, maxDepth = 1000) => measureJson(Buffer.from(json), maxDepth);

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
    fc.property(fc.json({ maxDepth: 6 }), fc.nat(7), spaces, (dense, maxDepth, space) => {
      const value = JSON.parse(dense) as unknown;
      for (const json of [dense, JSON.stringify(value, null, space)]) {
        expect(measure(json).values).toBe(valuesOf(value));
        expect(measure(json, maxDepth).tooDeepAt !== undefined).toBe(depthOf(value) > maxDepth);
      }
    }),
  );
});

test('brackets and commas within strings, also after escapes, do not count', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('[', '{', '"', '\\', ',', 'a') }), (text) => {
      expect(measure(JSON.stringify(text), 0)).toEqual({ values: 1, tooDeepAt: undefined });
    }),
  );
});

test('it tells where it became too deep, and no bytes make it fail', () => {
  expect(measure('{"a":[[1]]}', 2).tooDeepAt).toBe(6);
  fc.assert(
    fc.property(fc.uint8Array(), (bytes) => {
      expect(measureJson(bytes, 3).values).toBeLessThanOrEqual(1 + bytes.length);
    }),
  );
});
