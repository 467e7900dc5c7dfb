import { describe, expect, test } from 'vitest';
import { openTimeZone } from '../../../src/attributes/report/time-zone.ts';
import { sandboxOf, startReport } from '../../support/report-under-test.ts';

const DAY_MS = 86_400_000;

async function setup(options: Parameters<typeof startReport>[1] = {}) {
  const sandbox = await sandboxOf({ conversations: 6000 });
  return { sandbox, report: await startReport(sandbox, options) };
}

interface Detail {
  readonly period: Record<string, unknown>;
  readonly attributes: Record<string, { perDay: { day: string; count: number }[] }>;
}

describe('whole days of a time zone', () => {
  test.each([
    ['Europe/Berlin', '2026-10-24', '2026-10-27', [24, 25, 24]],
    ['America/St_Johns', '2026-10-31', '2026-11-03', [24, 25, 24]],
    ['Pacific/Apia', '2026-10-01', '2026-10-04', [24, 24, 24]],
    ['Asia/Kathmandu', '2026-10-01', '2026-10-03', [24, 24]],
  ])('%s from %s to %s', async (tz, from, to, hours) => {
    const { sandbox, report } = await setup();
    const zone = openTimeZone(tz);
    if (zone === undefined) throw new Error(tz);
    const first = Date.parse(from) / DAY_MS;
    const truth = hours.map((length, index) => {
      const start = zone.startOf(first + index);
      const [begin, end] = [new Date(start), new Date(start + length * 3_600_000)];
      const each = [...sandbox.conversations.each(begin, end)];
      return {
        day: new Date((first + index) * DAY_MS).toISOString().slice(0, 10),
        count: each.filter((attributes) => (attributes?.['crm_ticket_id'] ?? '') !== '').length,
      };
    });
    const query = `?attrs=crm_ticket_id&from=${from}&to=${to}&tz=${tz}`;
    const detail = (await report.json(`${query}&detail=true`)) as unknown as Detail;
    expect(detail.period).toEqual({
      from: new Date(zone.startOf(first)).toISOString(),
      to: new Date(zone.startOf(first + hours.length)).toISOString(),
      days: hours.length,
      timeZone: tz,
      partialDays: [],
    });
    expect(detail.attributes['crm_ticket_id']?.perDay).toEqual(truth);
    expect(truth.every(({ count }) => count > 0)).toBe(true);
    expect(await report.json(query)).toEqual({
      crm_ticket_id: truth.reduce((sum, { count }) => sum + count, 0),
    });
  });

  test('without one are those of UTC, and dates midnights there', async () => {
    const { report } = await setup();
    const [plain, said, berlin] = await Promise.all([
      report.json('?detail=true&from=2026-10-01&to=2026-10-03'),
      report.json('?detail=true&from=2026-10-01&to=2026-10-03&tz=utc'),
      report.json('?detail=true&from=2026-10-01&to=2026-10-03&tz=europe/berlin'),
    ]);
    expect(said).toEqual(plain);
    expect(plain['period']).toMatchObject({ from: '2026-10-01T00:00:00.000Z', timeZone: 'UTC' });
    expect(berlin['period']).toMatchObject({
      from: '2026-09-30T22:00:00.000Z',
      timeZone: 'Europe/Berlin',
    });
  });

  test('a year of them that clocks make longer is not too long', async () => {
    const { report } = await setup();
    const query = '?from=2025-07-01&to=2026-07-02&tz=Europe/Berlin&attrs=crm_ticket_id';
    expect((await report.get(query)).status).toBe(200);
    const winter = '?from=2025-10-25&to=2026-10-26&tz=Europe/Berlin&attrs=crm_ticket_id';
    expect((await report.get(winter)).status).toBe(200);
  });

  test('the last so many end with today as far as it has come, which is said', async () => {
    const now = Date.parse('2026-11-02T02:00:00Z');
    const { report } = await setup({ now: () => now });
    const ofZone = async (tz: string) =>
      ((await report.json(`?detail=true&days=2&tz=${tz}`)) as unknown as Detail).period;
    expect(await ofZone('Europe/Berlin')).toEqual({
      from: '2026-10-31T23:00:00.000Z',
      to: '2026-11-02T02:00:00.000Z',
      days: 1.13,
      timeZone: 'Europe/Berlin',
      partialDays: ['2026-11-02'],
    });
    // There it is still the first, a day of 25 hours.
    expect(await ofZone('America/St_Johns')).toEqual({
      from: '2026-10-31T02:30:00.000Z',
      to: '2026-11-02T02:00:00.000Z',
      days: 1.94,
      timeZone: 'America/St_Johns',
      partialDays: ['2026-11-01'],
    });
    const plain = (await report.json('?detail=true&days=2')) as unknown as Detail;
    expect(plain.period).toEqual({
      from: '2026-10-31T02:00:00.000Z',
      to: '2026-11-02T02:00:00.000Z',
      days: 2,
      timeZone: 'UTC',
      partialDays: ['2026-10-31', '2026-11-02'],
    });
  });
});

describe('the period of an answer', () => {
  const query = '?from=2026-10-01T06:00:00Z&to=2026-10-03&tz=Europe/Berlin';
  const expected = {
    from: '2026-10-01T06:00:00.000Z',
    to: '2026-10-02T22:00:00.000Z',
    timeZone: 'Europe/Berlin',
    partialDays: ['2026-10-01'],
  };

  test('is the same in every form', async () => {
    const { report } = await setup();
    const flat = await report.get(query);
    const csv = await report.get(`${query}&format=csv`);
    const detail = await report.get(`${query}&detail=true`);
    const etag = flat.headers.get('etag') ?? '';
    const known = await report.get(query, { 'if-none-match': etag });
    expect(known.status).toBe(304);
    for (const { headers } of [flat, csv, detail, known]) {
      expect({
        from: headers.get('x-report-from'),
        to: headers.get('x-report-to'),
        timeZone: headers.get('x-report-time-zone'),
        partialDays: headers.get('x-report-partial-days')?.split(', '),
      }).toEqual(expected);
    }
    expect(((await detail.json()) as Detail).period).toMatchObject(expected);
    const cells = `${expected.from},${expected.to},"Europe/Berlin",${expected.partialDays.join(' | ')}`;
    const lines = (await csv.text()).trimEnd().split('\r\n').slice(1);
    for (const line of lines) expect(line.endsWith(`,${cells}`)).toBe(true);
    const events = await (await report.get(query, { accept: 'text/event-stream' })).text();
    const [, period = ''] = /^event: period\ndata: (.*)$/m.exec(events) ?? [];
    expect(JSON.parse(period)).toMatchObject(expected);
  });

  test('names no days where all are whole', async () => {
    const { report } = await setup();
    const { headers } = await report.get('?from=2026-10-01&to=2026-10-02');
    expect(headers.get('x-report-partial-days')).toBeNull();
  });
});
