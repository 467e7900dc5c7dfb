import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  hasLongNumber,
  holdsExactly,
  longNumbersOf,
  readJson,
  writeJson,
} from '../../../src/lib/json/exact-json.ts';

const digits = (max: number) =>
  fc
    .array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: max })
    .map((list) => list.join('').replace(/^0+(?=\d)/, ''));
const number = fc
  .tuple(
    fc.constantFrom('', '-'),
    digits(30),
    fc.option(digits(25), { nil: undefined }),
    fc.constantFrom('', '', '', 'e5', 'E-7', 'e+400', 'e-400'),
  )
  .map(
    ([sign, whole, fraction, exponent]) =>
      `${sign}${whole}${fraction === undefined ? '' : `.${fraction}`}${exponent}`,
  );

/** The value of a decimal number, as a fraction of whole numbers over one power of ten. */
function exact(text: string): bigint {
  const [mantissa = '', exponent = '0'] = text.toLowerCase().split('e');
  const [whole = '', fraction = ''] = mantissa.split('.');
  const power = 1000 + Number(exponent) - fraction.length;
  return BigInt(whole + fraction) * 10n ** BigInt(power);
}

test('a number stays one when none of its digits changes, and is the text of them otherwise', () => {
  fc.assert(
    fc.property(fc.array(number, { maxLength: 6 }), fc.boolean(), (numbers, spaced) => {
      const blank = spaced ? ' ' : '';
      const list = numbers.map((one) => `${blank}${one}${blank}`).join(',');
      const text = `{"a":{"b":[${list}]},"c":"1161888007138312192","~/":${numbers[0] ?? '1'}${blank}}`;
      const value = readJson(text) as { a: { b: unknown[] }; c: string };
      const kept: string[] = [];
      for (const [index, one] of numbers.entries()) {
        const held = Number(one);
        const isExact = Number.isFinite(held) && exact(String(held)) === exact(one);
        expect(holdsExactly(one)).toBe(isExact);
        expect(value.a.b[index]).toBe(isExact ? held : one);
        if (!isExact) kept.push(`/a/b/${index}`);
      }
      if (numbers[0] !== undefined && !holdsExactly(numbers[0])) kept.push('/~0~1');
      expect(longNumbersOf(value, 100)).toEqual(kept);
      expect(hasLongNumber(value)).toBe(kept.length > 0);
      // Written, it has the same digits, and can be read again.
      const written = writeJson(value);
      if (kept.length > 0) {
        for (const one of numbers) if (!holdsExactly(one)) expect(written).toContain(one);
      }
      expect(readJson(written)).toEqual(JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 500 },
  );
});

test('everything else is read and written as JSON does', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = JSON.stringify(value);
      expect(readJson(text)).toEqual(JSON.parse(text));
      expect(writeJson(readJson(text))).toBe(text);
      expect(longNumbersOf(readJson(text), 10)).toEqual([]);
    }),
  );
});
