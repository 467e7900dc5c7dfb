import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  countedPeriod,
  cutPeriod,
  daysOf,
  periodOf,
} from '../../../src/attributes/report/period.ts';
import { openTimeZone, type TimeZone, UTC } from '../../../src/attributes/report/time-zone.ts';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** Zones whose clocks do what others do not: beside all the others, often. */
const ODD = [
  'America/St_Johns',
  'Pacific/Apia',
  'Africa/Cairo',
  'America/Sao_Paulo',
  'Asia/Beirut',
  'Australia/Lord_Howe',
  'Asia/Kathmandu',
  'Antarctica/Troll',
  'Africa/Casablanca',
  'America/Nuuk',
];

function zoneNamed(name: string): TimeZone {
  const zone = openTimeZone(name);
  if (zone === undefined) throw new Error(name);
  return zone;
}

const zones = fc
  .oneof(fc.constantFrom(...Intl.supportedValuesOf('timeZone')), fc.constantFrom('UTC', ...ODD))
  .map(zoneNamed);
const moments = fc.integer({ min: Date.UTC(1975, 0), max: Date.UTC(2040, 0) });
const periods = fc
  .tuple(moments, fc.integer({ min: 1, max: 366 * DAY_MS }))
  .map(([fromMs, lengthMs]) => ({ from: new Date(fromMs), to: new Date(fromMs + lengthMs) }));

/** The local date as another part of Intl writes it. */
function localDate(zone: TimeZone, epochMs: number): string {
  return new Intl.DateTimeFormat('en-CA', {
    timeZone: zone.name,
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
  }).format(epochMs);
}

const dateOf = (day: number) => new Date(day * DAY_MS).toISOString().slice(0, 10);
const day = (date: string) => Date.parse(date) / DAY_MS;

describe('a time zone', () => {
  test('begins each of its days at the first moment that has its date, or a later one', () => {
    fc.assert(
      fc.property(zones, moments, (zone, moment) => {
        const number = zone.dayAt(moment);
        const start = zone.startOf(number);
        expect(localDate(zone, start) >= dateOf(number)).toBe(true);
        expect(localDate(zone, start - 1) < dateOf(number)).toBe(true);
        for (let ms = start - 26 * HOUR_MS; ms < start; ms += HOUR_MS / 2) {
          expect(localDate(zone, ms) < dateOf(number)).toBe(true);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('has every moment in exactly one day', () => {
    fc.assert(
      fc.property(zones, moments, (zone, moment) => {
        const number = zone.dayAt(moment);
        expect(zone.startOf(number)).toBeLessThanOrEqual(moment);
        expect(zone.startOf(number + 1)).toBeGreaterThan(moment);
        expect(zone.dayAt(zone.startOf(number))).toBe(number);
        expect(zone.dayAt(zone.startOf(number + 1) - 1)).toBe(number);
      }),
    );
  });

  test.each([
    ['Europe/Berlin', '2026-03-29', 23],
    ['Europe/Berlin', '2026-03-30', 24],
    ['Europe/Berlin', '2026-10-25', 25],
    ['Australia/Lord_Howe', '2026-04-05', 24.5],
    // Clocks skip midnight.
    ['Africa/Cairo', '2026-04-24', 23],
    ['America/Sao_Paulo', '2018-11-04', 23],
    // Clocks were put back at one past midnight, so that the day before came again.
    ['America/St_Johns', '2010-11-06', 24],
    ['America/St_Johns', '2010-11-07', 25],
    // The day across the date line never was.
    ['Pacific/Apia', '2011-12-29', 24],
    ['Pacific/Apia', '2011-12-30', 0],
    ['Pacific/Apia', '2011-12-31', 24],
  ])('%s: %s has %d hours', (name, date, hours) => {
    const zone = zoneNamed(name);
    expect((zone.startOf(day(date) + 1) - zone.startOf(day(date))) / HOUR_MS).toBe(hours);
  });

  test('is known by names of the database only, spelled as they are', () => {
    for (const name of [
      '+01:00',
      '',
      'Z',
      'Mars/Olympus',
      'Europe/Berlin\n',
      '__proto__',
      '../x',
    ]) {
      expect.soft(openTimeZone(name), name).toBeUndefined();
    }
    expect(openTimeZone('europe/berlin')?.name).toBe('Europe/Berlin');
    expect(openTimeZone('Asia/Kolkata')?.name).toBe('Asia/Kolkata');
    expect(openTimeZone('utc')).toBe(UTC);
    // More than are kept open.
    for (const name of Intl.supportedValuesOf('timeZone')) {
      expect(openTimeZone(name)?.name).toBe(name);
    }
  });
});

describe('windows', () => {
  const maxWindows = fc.integer({ min: 1, max: 400 });

  test('cover the period without gap or overlap, cut only where days begin', () => {
    fc.assert(
      fc.property(zones, periods, maxWindows, (zone, period, max) => {
        const days = daysOf(period, zone);
        const windows = cutPeriod(period, days, max);
        expect(windows.length).toBeLessThanOrEqual(max);
        expect(windows[0]?.from).toEqual(period.from);
        expect(windows.at(-1)?.to).toEqual(period.to);
        for (const [index, window] of windows.entries()) {
          expect(window.from < window.to).toBe(true);
          expect(days[window.day]?.name).toBe(dateOf(zone.dayAt(window.from.getTime())));
          const next = windows[index + 1];
          if (next === undefined) continue;
          expect(next.from).toEqual(window.to);
          expect(zone.startOf(zone.dayAt(next.from.getTime()))).toBe(next.from.getTime());
        }
      }),
      { numRuns: 50 },
    );
  });

  test('of a day each, for days in part too', () => {
    const period = {
      from: new Date('2026-02-27T22:00:00Z'),
      to: new Date('2026-03-01T00:00:00.001Z'),
    };
    const days = daysOf(period, UTC);
    expect(days.map(({ name }) => name)).toEqual(['2026-02-27', '2026-02-28', '2026-03-01']);
    expect(cutPeriod(period, days, 3)).toHaveLength(3);
    const whole = { from: period.from, to: new Date('2026-03-01T00:00:00Z') };
    expect(daysOf(whole, UTC)).toHaveLength(2);
  });
});

describe('a counted period', () => {
  const counted = (zone: TimeZone, period: { from: Date; to: Date }, nowMs = Infinity) =>
    countedPeriod(period, { zone, days: daysOf(period, zone), nowMs });

  test('of whole days has as many, all of them whole, whatever clocks do', () => {
    fc.assert(
      fc.property(zones, moments, fc.integer({ min: 1, max: 60 }), (zone, moment, length) => {
        const first = zone.dayAt(moment);
        const period = {
          from: new Date(zone.startOf(first)),
          to: new Date(zone.startOf(first + length)),
        };
        const { days, dayNames, partialDays } = counted(zone, period);
        expect(days).toBe(dayNames.length);
        expect(partialDays).toEqual([]);
        // Apia and some others skipped one.
        expect([length, length - 1]).toContain(days);
      }),
    );
  });

  test('names the days that it cuts', () => {
    fc.assert(
      fc.property(zones, periods, (zone, period) => {
        const { dayNames, partialDays } = counted(zone, period);
        const [fromMs, toMs] = [period.from.getTime(), period.to.getTime()];
        const expected = new Set<string | undefined>();
        if (zone.startOf(zone.dayAt(fromMs)) < fromMs) expected.add(dayNames[0]);
        if (zone.startOf(zone.dayAt(toMs - 1) + 1) > toMs) expected.add(dayNames.at(-1));
        expect(new Set<string | undefined>(partialDays)).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  test('names today, and no day that has not begun', () => {
    const period = { from: new Date('2026-11-23'), to: new Date('2026-11-30') };
    const now = Date.parse('2026-11-25T16:00:00Z');
    expect(counted(UTC, period, now).partialDays).toEqual(['2026-11-25']);
    expect(counted(zoneNamed('Pacific/Kiritimati'), period, now).partialDays).toEqual([
      '2026-11-23',
      '2026-11-26',
    ]);
  });

  test('of so many calendar days ends now, and begins at a midnight', () => {
    fc.assert(
      fc.property(zones, moments, fc.integer({ min: 1, max: 60 }), (zone, nowMs, calendarDays) => {
        const period = periodOf({ calendarDays }, zone, nowMs);
        expect(period.to.getTime()).toBe(nowMs);
        const { dayNames, partialDays } = counted(zone, period, nowMs);
        expect([calendarDays, calendarDays - 1]).toContain(dayNames.length);
        expect(dayNames.at(-1)).toBe(dateOf(zone.dayAt(nowMs - 1)));
        expect(partialDays).toEqual(
          zone.startOf(zone.dayAt(nowMs)) === nowMs ? [] : [dayNames.at(-1)],
        );
      }),
    );
  });
});
