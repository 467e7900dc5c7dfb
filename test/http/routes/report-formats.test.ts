import * as fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import { UTC } from '../../../src/attributes/report/time-zone.ts';
import type { ReportQuestion, UsageReport } from '../../../src/attributes/report/usage-reports.ts';
import { reportAsCsv } from '../../../src/http/routes/report/report-csv.ts';
import { sandboxOf, startReport } from '../../support/report-under-test.ts';

const DAY = '?from=2026-10-01&to=2026-10-02';
const QUERY = 'genesys.analytics.query';

async function setup(options: Parameters<typeof startReport>[1] = {}) {
  const sandbox = await sandboxOf({ conversations: 3000 });
  return { sandbox, report: await startReport(sandbox, options) };
}

/** RFC 4180, independent of what wrote it. */
function parseCsv(text: string, separator = ','): string[][] {
  const lines: string[][] = [[]];
  let cell = '';
  let isQuoted = false;
  for (let index = 0; index < text.length; index += 1) {
    const character = text.charAt(index);
    if (isQuoted) {
      if (character !== '"') cell += character;
      else if (text[index + 1] === '"') {
        cell += '"';
        index += 1;
      } else isQuoted = false;
    } else if (character === '"' && cell === '') isQuoted = true;
    else if (character === separator) {
      lines.at(-1)?.push(cell);
      cell = '';
    } else if (character === '\r' && text[index + 1] === '\n') {
      lines.at(-1)?.push(cell);
      cell = '';
      lines.push([]);
      index += 1;
    } else cell += character;
  }
  return lines.slice(0, -1);
}

describe('ETag', () => {
  test('stays while the answer is the same and saves sending it again', async () => {
    const { report } = await setup();
    const first = await report.get(DAY);
    const etag = first.headers.get('etag') ?? '';
    expect(etag).toMatch(/^"[\w-]{27}"$/);
    expect(first.headers.get('vary')).toContain('Accept');
    for (const sent of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const again = await report.get(DAY, { 'if-none-match': sent });
      expect(again.status).toBe(304);
      expect(await again.text()).toBe('');
      expect(again.headers.get('etag')).toBe(etag);
      expect(again.headers.get('cache-control')).toMatch(/^private, max-age=\d+$/);
    }
    expect((await report.get(DAY, { 'if-none-match': '"other"' })).status).toBe(200);
    const csv = await report.get(`${DAY}&format=csv`, { 'if-none-match': etag });
    expect(csv.status).toBe(200);
  });
});

describe('CSV', () => {
  test('of the counts has a header and a line for each attribute', async () => {
    const { report } = await setup();
    const counts = await report.json(DAY);
    for (const answer of [
      await report.get(`${DAY}&format=csv`),
      await report.get(DAY, { accept: 'text/csv' }),
      await report.get(DAY, { accept: 'application/json;q=0.5, text/csv' }),
      await report.get(`${DAY}&format=csv`, { accept: 'text/event-stream' }),
    ]) {
      expect(answer.headers.get('content-type')).toBe('text/csv; charset=utf-8; header=present');
      const period = '2026-10-01T00:00:00.000Z,2026-10-02T00:00:00.000Z,UTC,';
      expect(await answer.text()).toBe(
        'attribute,populated,from,to,time_zone,partial_days\r\n' +
          `crm_ticket_priority,${String(counts['crm_ticket_priority'])},${period}\r\n` +
          `crm_channel_source,${String(counts['crm_channel_source'])},${period}\r\n`,
      );
    }
    const json = await report.get(`${DAY}&format=json`, { accept: 'text/csv' });
    expect(json.headers.get('content-type')).toContain('application/json');
  });

  test('of the details has a rectangle of figures, days included', async () => {
    const { report } = await setup();
    const query = '?detail=true&from=2026-10-01&to=2026-10-04&attrs=crm_ticket_priority';
    const detail = await report.json(query);
    const [header, ...lines] = parseCsv(await (await report.get(`${query}&format=csv`)).text());
    expect(header?.slice(-3)).toEqual(['2026-10-01', '2026-10-02', '2026-10-03']);
    expect(lines.map((line) => line.slice(-7, -3))).toEqual(
      lines.map(() => ['2026-10-01T00:00:00.000Z', '2026-10-04T00:00:00.000Z', 'UTC', '']),
    );
    expect(new Set(lines.map(({ length }) => length))).toEqual(new Set([header?.length]));
    const asked = Object.fromEntries(
      (header ?? []).map((name, index) => [name, lines[0]?.[index] ?? '']),
    );
    const { crm_ticket_priority: usage } = detail['attributes'] as Record<string, object>;
    expect(usage).toMatchObject({
      populated: Number(asked['populated']),
      rate: Number(asked['rate']),
    });
    expect(asked).toMatchObject({
      status: 'asked',
      attribute: 'crm_ticket_priority',
      defined: 'true',
      conversations: String(detail['conversations']),
    });
    expect(asked['top_values']).toMatch(/^medium: \d+ \| low: \d+/);
    expect(asked['violations']).toMatch(/^regex: \d+$/);
    expect(lines.map(([status]) => status)).toContain('filled_not_defined');
  });

  test('is a file whose name says which unit and which days', async () => {
    const { report } = await setup();
    const names = await Promise.all(
      [
        DAY,
        `${DAY}&orgId=acme:emea.1`,
        '?detail=true&orgId=acme-emea&from=2026-10-01&to=2026-11-01&tz=Europe/Berlin',
      ].map(async (query) => {
        const answer = await report.get(`${query}&format=csv`);
        return answer.headers.get('content-disposition');
      }),
    );
    expect(names).toEqual([
      'attachment; filename="attribute-usage_2026-10-01.csv"',
      'attachment; filename="attribute-usage_acme-emea.1_2026-10-01.csv"',
      'attachment; filename="attribute-usage_acme-emea_2026-10-01_2026-10-31.csv"',
    ]);
  });

  test('begins with a byte order mark where one is asked for', async () => {
    const { report } = await setup();
    const bytesOf = async (query: string) =>
      Buffer.from(await (await report.get(query)).arrayBuffer());
    const plain = await bytesOf(`${DAY}&format=csv`);
    const marked = await bytesOf(`${DAY}&format=csv&bom=true`);
    expect(plain.toString('latin1')).toMatch(/^attribute/);
    expect(marked).toEqual(Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), plain]));
    for (const query of [`${DAY}&bom=true`, `${DAY}&format=csv&bom=1`]) {
      const { status, code, text } = await report.problem(query);
      expect({ status, code }).toEqual({ status: 400, code: 'invalid_query' });
      expect(text).toContain('bom');
    }
  });

  const INVISIBLE = /^(?:[\p{Cc}\p{Cf}\p{Z}\u3164\u{e0000}-\u{e007f}]|\u034f|\ufe0f)+/u;
  const FORMULA = /^[=+\-@＝＋－＠﹦]/;

  const reportWith = (value: string): [UsageReport, ReportQuestion] => [
    {
      period: {
        from: new Date(0),
        to: new Date(1),
        timeZone: 'UTC',
        days: 0,
        dayNames: ['1970-01-01'],
        partialDays: ['1970-01-01'],
      },
      conversations: 1,
      repeated: 0,
      repetitionChecked: true,
      populated: new Map([['a', 1]]),
      completedAtMs: 0,
      detail: {
        attributes: new Map([
          [
            'a',
            {
              populated: 1,
              rate: 1,
              distinct: { count: 1, exact: true },
              topValues: [
                { value: 'x', count: 2 },
                { value, count: 1 },
              ],
              firstDay: null,
              lastDay: null,
              perDay: [{ day: '1970-01-01', count: 1 }],
              violations: {},
              defined: true,
              origin: value,
            },
          ],
        ]),
        definedNeverFilled: [{ attribute: value, origin: value }],
        filledNotDefined: [{ attribute: value, populated: 1 }],
        truncated: false,
        warnings: [],
      },
    },
    { attributes: ['a'], period: { days: 1 }, timeZone: UTC, detail: true },
  ];

  test.each([
    '=cmd()',
    "=cmd|' /C calc'!A0",
    '+1+1',
    '-1+1',
    '@SUM(A1)',
    '\t=1',
    '\r=1',
    '\n=1',
    ' =1',
    '＝1',
    'x",=1',
    'x;=1',
    'x,@y',
    'x\n=1',
    '\0=1',
    '\u200b=1',
    '\u202e+1',
    '\ufeff@x',
    '\u00ad\u2066 \u2060-1',
    'x,\u200f=1',
    '﹦1',
  ])('%j is text in a spreadsheet, whatever separates its cells', (value) => {
    const csv = reportAsCsv(...reportWith(value));
    for (const separator of [',', ';', '\t']) {
      for (const cell of parseCsv(csv, separator).flat()) {
        expect(cell.replace(INVISIBLE, '')).not.toMatch(FORMULA);
      }
    }
  });

  test('nor does anything invisible before the sign make it a formula', () => {
    // What a program may drop, or not show, at the beginning of a cell.
    const invisible = fc.oneof(
      fc.integer({ min: 0, max: 0x20 }),
      fc.integer({ min: 0x7f, max: 0xa0 }),
      fc.integer({ min: 0x2000, max: 0x200f }),
      fc.integer({ min: 0x2028, max: 0x202f }),
      fc.integer({ min: 0x205f, max: 0x206f }),
      fc.constantFrom(0xad, 0x34f, 0x61c, 0x180e, 0x3000, 0x3164, 0xfe0f, 0xfeff, 0xfff9),
      fc.integer({ min: 0xe0000, max: 0xe007f }),
    );
    const text = fc
      .tuple(
        fc.constantFrom('', 'x,', 'x;', 'x|', 'x\t', 'x\n'),
        fc.array(invisible, { maxLength: 5 }),
        fc.constantFrom('=', '+', '-', '@', '＝', '＋', '－', '＠'),
      )
      .map(([before, codes, sign]) => `${before}${String.fromCodePoint(...codes)}${sign}1`);
    fc.assert(
      fc.property(text, (value) => {
        const csv = reportAsCsv(...reportWith(value));
        for (const separator of [',', ';', '\t']) {
          for (const cell of parseCsv(csv, separator).flat()) {
            expect(cell.replace(INVISIBLE, '')).not.toMatch(FORMULA);
          }
        }
      }),
    );
  });

  test('whatever the values, cells stay where they belong and lose nothing but the quotes added', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 50 }), (value) => {
        const lines = parseCsv(reportAsCsv(...reportWith(value)));
        expect(lines).toHaveLength(4);
        expect(new Set(lines.map(({ length }) => length)).size).toBe(1);
        const name = lines[3]?.[1] ?? '';
        expect(name.replaceAll("'", '')).toBe(value.replaceAll("'", ''));
      }),
    );
  });
});

/** The events of a stream, comments included. */
async function eventsOf(answer: Response): Promise<{ event: string; data: unknown }[]> {
  const blocks = (await answer.text()).split('\n\n').filter((block) => block !== '');
  return blocks.map((block) => {
    const match = /^event: (\w+)\ndata: (.*)$/.exec(block);
    return match === null
      ? { event: block, data: undefined }
      : { event: match[1] ?? '', data: JSON.parse(match[2] ?? '') as unknown };
  });
}

describe('a stream of events', () => {
  const accept = { accept: 'text/event-stream' };

  test('tells progress and ends with the result', async () => {
    const { sandbox, report } = await setup({ progressEveryMs: 0, windowsInFlight: 2 });
    const answer = await report.get('?days=30', accept);
    expect(answer.headers.get('content-type')).toBe('text/event-stream; charset=utf-8');
    expect(answer.headers.get('cache-control')).toContain('no-transform');
    const events = await eventsOf(answer);
    expect(events.at(-1)).toEqual({ event: 'result', data: await report.json('?days=30') });
    expect(events.at(-2)).toMatchObject({ event: 'period', data: { days: 30, timeZone: 'UTC' } });
    const progress = events.slice(0, -2);
    expect(progress.length).toBeGreaterThan(3);
    expect(new Set(progress.map(({ event }) => event))).toEqual(new Set(['progress']));
    const last = progress.at(-1)?.data as Record<string, number>;
    expect(last).toEqual({
      pages: sandbox.requests.count(QUERY),
      conversations: expect.any(Number) as unknown,
      windowsDone: 4,
      windows: 4,
    });
    expect(last['conversations']).toBeGreaterThan(2900);
  });

  test('of the details ends with the details', async () => {
    const { report } = await setup();
    const events = await eventsOf(await report.get(`${DAY}&detail=true`, accept));
    expect(events.at(-1)).toEqual({
      event: 'result',
      data: await report.json(`${DAY}&detail=true`),
    });
  });

  test('gives a caller who joins late where the others are', async () => {
    const { sandbox, report } = await setup({ windowsInFlight: 1 });
    sandbox.faults.add({ target: QUERY, times: 1, latencyMs: 0 });
    await report.json(DAY);
    sandbox.faults.clear();
    sandbox.faults.add({ target: QUERY, latencyMs: 100 });
    const first = report.get('?days=30', accept);
    await vi.waitFor(() => expect(sandbox.requests.count(QUERY)).toBeGreaterThan(2));
    const events = await eventsOf(await report.get('?days=30', accept));
    expect(events[0]?.event).toBe('progress');
    expect((await eventsOf(await first)).at(-1)).toEqual(events.at(-1));
  });

  test('stays alive while nothing happens', async () => {
    const { sandbox, report } = await setup({ heartbeatMs: 10 });
    sandbox.faults.add({ target: QUERY, latencyMs: 100 });
    const events = await eventsOf(await report.get(DAY, accept));
    expect(events.map(({ event }) => event)).toContain(': waiting');
    expect(events.at(-1)?.event).toBe('result');
  });

  test('what fails before the first event is an ordinary problem', async () => {
    const { sandbox, report } = await setup();
    sandbox.denied.add('analytics:read');
    expect(await report.problem(DAY, accept)).toMatchObject({
      status: 403,
      code: 'genesys_permission_missing',
    });
    expect(await report.problem('?days=0', accept)).toMatchObject({ status: 400 });
  });

  test('what fails later is an event with the problem, and a line in the log', async () => {
    const { sandbox, report } = await setup({ heartbeatMs: 10 });
    sandbox.faults.add({ target: QUERY, latencyMs: 60 });
    sandbox.faults.add({ target: QUERY, body: '{"nothing":true}' });
    const answer = await report.get(DAY, accept);
    expect(answer.status).toBe(200);
    const { event, data } = (await eventsOf(answer)).at(-1) ?? {};
    expect(event).toBe('error');
    expect(data).toMatchObject({
      status: 502,
      code: expect.stringMatching(/^genesys_/) as unknown,
    });
    expect(report.lines.map(({ msg }) => msg)).toContain('The report failed while it was streamed');
  });

  test('a caller who closes it stops the query', async () => {
    const { sandbox, report } = await setup({ heartbeatMs: 10, windowsInFlight: 1 });
    sandbox.faults.add({ target: QUERY, latencyMs: 60_000 });
    const leaving = new AbortController();
    const answer = await report.get('?days=30', accept, leaving.signal);
    expect(answer.status).toBe(200);
    // The heartbeat may come before the query is under way.
    await vi.waitFor(() => expect(sandbox.requests.maxInFlight(QUERY)).toBe(1), 10_000);
    leaving.abort();
    await vi.waitFor(() => expect(sandbox.requests.count(QUERY, 'aborted')).toBe(1));
    expect(sandbox.requests.count(QUERY)).toBe(1);
  });
});
