import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readInteger } from '../../src/lib/decimal.ts';

describe('a whole number', () => {
  test('is read as it was written, leading zeros and -0 included', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -(10 ** 15) + 1, max: 10 ** 15 - 1 }),
        fc.integer({ min: 0, max: 3 }),
        (value, zeros) => {
          const digits = String(Math.abs(value));
          const text = `${value < 0 ? '-' : ''}${'0'.repeat(Math.min(zeros, 15 - digits.length))}${digits}`;
          expect(readInteger(text)).toBe(value);
        },
      ),
    );
    expect(readInteger('-0')).toBe(0);
  });

  test('is nothing but digits, whatever Number() makes of the rest', () => {
    const odd = ['', ' ', '0x10', '0b1', '0o7', '1e1', '+5', ' 5', '5 ', '5\n', '5.0', '1_000'];
    const words = ['-', '--5', 'Infinity', 'NaN', 'null', '٣', '５', '9007199254740993'];
    for (const text of [...odd, ...words]) expect.soft(readInteger(text), text).toBeUndefined();
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        fc.pre(!/^-?[0-9]{1,15}$/.test(text));
        expect(readInteger(text)).toBeUndefined();
      }),
    );
  });
});
