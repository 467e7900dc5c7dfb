import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasProtoKey, offsetTooDeep } from '../../../src/http/body/json-guard.ts';

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0;
  return 1 + Math.max(0, ...Object.values(value).map(depthOf));
}

test('the scan agrees with the parsed value about its depth', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 6 }), fc.integer({ min: 0, max: 7 }), (json, maxDepth) => {
      const tooDeep = offsetTooDeep(Buffer.from(json), maxDepth) >= 0;
      expect(tooDeep).toBe(depthOf(JSON.parse(json)) > maxDepth);
    }),
  );
});

test('brackets within strings, also after escapes, do not count', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('[', '{', '"', '\\', 'a') }), (text) => {
      expect(offsetTooDeep(Buffer.from(JSON.stringify(text)), 0)).toBe(-1);
    }),
  );
});

test('it tells where it became too deep', () => {
  expect(offsetTooDeep(Buffer.from('{"a":[[1]]}'), 2)).toBe(6);
});

test('a __proto__ key is found however it is written, and only as a key', () => {
  const letter = (char: string) =>
    fc.constantFrom(char, `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`);
  const spelling = fc.tuple(...'__proto__'.split('').map(letter)).map((parts) => parts.join(''));
  fc.assert(
    fc.property(spelling, fc.constantFrom('', ' ', '\n\t'), (key, space) => {
      const json = `{"a":[{"${key}"${space}:1}]}`;
      expect(Object.keys((JSON.parse(json) as { a: object[] }).a[0] ?? {})).toEqual(['__proto__']);
      expect(hasProtoKey(json)).toBe(true);
      expect(hasProtoKey(JSON.stringify({ text: `{"${key}":1}`, list: ['__proto__'] }))).toBe(
        false,
      );
    }),
  );
});
