import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { buildEntry } from '../../../src/events/pipeline/entry.ts';

const good = {
  source: 'genesys.cloud',
  'detail-type': 'interaction.event',
  time: '2026-03-01T12:00:00Z',
  detail: { a: 1 },
};

function timeOf(time: unknown): string | undefined {
  const built = buildEntry({ ...good, time }, {});
  if (!built.ok) {
    expect(built.issues).toMatchObject([
      { path: '/time', message: expect.stringMatching(/RFC 3339.*milliseconds/) as string },
    ]);
    return undefined;
  }
  return built.entry.time.toISOString();
}

describe('the source of an entry', () => {
  test.each(['aws.', 'aws.ec2', 'aws.partner/x'])('%s is refused, as AWS would', (source) => {
    expect(buildEntry({ ...good, source }, {})).toMatchObject({
      ok: false,
      issues: [{ path: '/source', message: expect.stringContaining('"aws."') as string }],
    });
  });

  test.each(['aws', 'aws-x', 'awsome.service', 'my.aws.x', 'AWS.x'])('%s is fine', (source) => {
    expect(buildEntry({ ...good, source }, {})).toMatchObject({ ok: true, entry: { source } });
  });
});

test('a whole number is refused exactly where its digits are beyond 64 bits', () => {
  const anyNumber = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.maxSafeInteger(),
    fc.constantFrom(-0, 1e18, 1e19, 1e20, 1e21, 5e-324, 1.5e19),
    fc.integer({ min: -3, max: 3 }).map((ulps) => 2 ** 63 + ulps * 2048),
    fc.integer({ min: -3, max: 3 }).map((ulps) => -(2 ** 63) + ulps * 2048),
  );
  const wrap = fc.constantFrom(
    (n: number) => ({ n }),
    (n: number) => ({ list: [1, { n }] }),
    // Digits in a text are none of a number.
    (n: number) => ({ n, text: '99999999999999999999' }),
  );
  fc.assert(
    fc.property(anyNumber, wrap, (number, inDetail) => {
      const digits = JSON.stringify(number);
      const isWhole = /^-?\d+$/.test(digits);
      const fits = !isWhole || BigInt.asIntN(64, BigInt(digits)) === BigInt(digits);
      const built = buildEntry({ ...good, detail: inDetail(number) }, {});
      expect(built.ok).toBe(fits);
      if (!built.ok) {
        expect(built.issues).toMatchObject([
          { path: '/detail', message: expect.stringContaining('64 bits') as string },
        ]);
      }
    }),
    { numRuns: 500 },
  );
});

describe('the time of an entry', () => {
  test.each([
    ['2026-03-01T12:00:00.123Z', '2026-03-01T12:00:00.123Z'],
    ['2026-03-01t12:00:00z', '2026-03-01T12:00:00.000Z'],
    ['2026-03-01 12:00:00+00:00', '2026-03-01T12:00:00.000Z'],
    ['2026-03-01T12:00:00.1239999-05:30', '2026-03-01T17:30:00.123Z'],
    ['2024-02-29T00:00:00Z', '2024-02-29T00:00:00.000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000Z'],
    ['2017-01-01T00:59:60.5+01:00', '2017-01-01T00:00:00.500Z'],
    [1_700_000_000_123, '2023-11-14T22:13:20.123Z'],
    [0, '1970-01-01T00:00:00.000Z'],
    ['9999-12-31T23:59:59Z', '9999-12-31T23:59:59.000Z'],
  ])('%j is %s', (time, expected) => {
    expect(timeOf(time)).toBe(expected);
  });

  test.each([
    'Ticket 5',
    'yesterday',
    '',
    '5',
    '1700000000123',
    '2026',
    '2026-03-01',
    '2026-03-01T12:00Z',
    '2026-03-01T12:00:00',
    '2026-03-01T12:00:00+0100',
    '2026-02-30T00:00:00Z',
    '2025-02-29T00:00:00Z',
    '2026-13-01T00:00:00Z',
    '2026-03-01T24:00:00Z',
    '2026-03-01T12:60:00Z',
    '2026-03-01T12:00:60Z',
    '2026-03-01T12:00:61Z',
    '2026-03-01T12:00:00+24:00',
    'Sun, 01 Mar 2026 12:00:00 GMT',
    '+012026-03-01T12:00:00Z',
    '0000-12-31T00:00:00Z',
    '9999-12-31T23:59:59-01:00',
    1.5,
    Number.NaN,
    1e20,
    253_402_300_800_000,
    true,
    {},
    [],
  ])('%j is none', (time) => {
    expect(timeOf(time)).toBeUndefined();
  });

  test('every date of RFC 3339 is what the engine makes of it, and nothing else is a time', () => {
    const date = fc.date({
      min: new Date('0001-01-02T00:00:00Z'),
      max: new Date('9999-12-30T00:00:00Z'),
      noInvalidDate: true,
    });
    fc.assert(
      fc.property(date, fc.integer({ min: -1439, max: 1439 }), (moment, offset) => {
        const local = new Date(moment.getTime() + offset * 60_000).toISOString().slice(0, -1);
        const pad = (value: number) => String(Math.trunc(value)).padStart(2, '0');
        const sign = offset < 0 ? '-' : '+';
        const minutes = Math.abs(offset);
        const text = `${local}${sign}${pad(minutes / 60)}:${pad(minutes % 60)}`;
        expect(timeOf(text)).toBe(moment.toISOString());
        expect(timeOf(moment.getTime())).toBe(moment.toISOString());
      }),
    );
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(timeOf(text)).toBeUndefined();
      }),
    );
  });
});

describe('the depth of a detail', () => {
  const nested = (levels: number) =>
    JSON.parse(`${'{"a":'.repeat(levels)}1${'}'.repeat(levels)}`) as Record<string, unknown>;

  test('1000 levels are fine, more are refused', () => {
    expect(buildEntry({ ...good, detail: nested(1000) }, {})).toMatchObject({ ok: true });
    for (const levels of [1001, 100_000]) {
      expect(buildEntry({ ...good, detail: nested(levels) }, {})).toMatchObject({
        ok: false,
        issues: [{ path: '/detail', message: 'must not nest deeper than 1000 levels' }],
      });
    }
  });
});
