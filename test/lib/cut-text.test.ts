import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutText, shorten } from '../../src/lib/cut-text.ts';

const anyText = fc.string({ unit: 'grapheme', maxLength: 40 });

test('a text is cut between characters, as late as possible', () => {
  fc.assert(
    fc.property(anyText, fc.nat(40), (text, maxLength) => {
      const cut = cutText(text, maxLength);
      expect(text.startsWith(cut)).toBe(true);
      expect(cut.isWellFormed()).toBe(true);
      expect(cut.length).toBeLessThanOrEqual(maxLength);
      expect(cut.length).toBeGreaterThanOrEqual(Math.min(text.length, maxLength - 1));
    }),
  );
});

test('a shortened text says so', () => {
  fc.assert(
    fc.property(anyText, fc.nat(40), (text, maxLength) => {
      const cut = cutText(text, maxLength);
      expect(shorten(text, maxLength)).toBe(cut === text ? text : `${cut}…`);
    }),
  );
});
