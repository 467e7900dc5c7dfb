import fc from 'fast-check';
import { expect, test } from 'vitest';
import { createUnlistedLines } from '../../src/attributes/unlisted-lines.ts';

const failed = (line: number, code: string) => ({
  failed: { line, id: 'T', error: 'no', code, attempted: true },
});

test('every record is in the ranges of its reason, in any order, and no other while there is room', () => {
  const given = fc.uniqueArray(fc.integer({ min: 1, max: 300 }), { maxLength: 200 });
  fc.assert(
    fc.property(given, fc.integer({ min: 2, max: 400 }), (lines, room) => {
      const unlisted = createUnlistedLines(room);
      for (const line of lines) unlisted.add(failed(line, line % 3 === 0 ? 'a' : 'b'));

      let count = 0;
      let records = 0;
      for (const group of unlisted.all) {
        const told = new Set<number>();
        let end = 0;
        for (const [from, to] of group.ranges) {
          expect(from).toBeGreaterThan(end);
          end = to;
          for (let line = from; line <= to; line += 1) told.add(line);
        }
        const own = lines.filter((line) => (line % 3 === 0 ? 'a' : 'b') === group.reason);
        expect(group.records).toBe(own.length);
        for (const line of own) expect(told).toContain(line);
        expect(group.exact).toBe(told.size === own.length);
        if (room > lines.length) expect(group.exact).toBe(true);
        count += group.ranges.length;
        records += group.records;
      }
      expect(records).toBe(lines.length);
      expect(count).toBeLessThanOrEqual(room);
    }),
  );
});

test('reasons are bounded, too', () => {
  const unlisted = createUnlistedLines();
  for (let line = 1; line <= 1000; line += 1) unlisted.add(failed(line, `code ${line}`));
  expect(unlisted.all.length).toBeLessThanOrEqual(102);
  expect(unlisted.all.at(-1)).toMatchObject({ reason: 'other reasons', ranges: [[101, 1000]] });
});
