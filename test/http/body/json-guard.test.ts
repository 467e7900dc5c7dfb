import fc from 'fast-check';
import { expect, test } from 'vitest';
import { hasProtoKey } from '../../../src/http/body/json-guard.ts';

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
