import { describe, expect, test } from 'vitest';
import type { Sandbox } from '../../../src/sandbox/sandbox.ts';
import { attributesUnderTest } from '../../support/attributes-under-test.ts';
import { sandboxOf, startReport } from '../../support/report-under-test.ts';
import { startTestServer } from '../support/test-server.ts';

const QUERY = 'genesys.analytics.query';
const from = new Date('2026-10-01T06:00:00Z');
const to = new Date('2026-10-31T06:00:00Z');
const period = `from=${from.toISOString()}&to=${to.toISOString()}`;

interface Detail {
  readonly period: { from: string; to: string; days: number };
  readonly conversations: number;
  readonly repeated: number;
  readonly attributes: Record<string, Record<string, unknown>>;
  readonly definedNeverFilled: { attribute: string; origin: string }[];
  readonly filledNotDefined: { attribute: string; populated: number }[];
  readonly truncated: boolean;
  readonly warnings: string[];
}

/** What the sandbox will say, counted by other means: attribute → values. */
function truthOf(sandbox: Sandbox): Map<string, unknown[]> {
  const truth = new Map<string, unknown[]>();
  for (const attributes of sandbox.conversations.each(from, to)) {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      if (value === null || value === '') continue;
      const values = truth.get(name) ?? [];
      values.push(value);
      truth.set(name, values);
    }
  }
  return truth;
}

async function setup(options: Parameters<typeof sandboxOf>[0] = {}, report = {}) {
  const sandbox = await sandboxOf({ conversations: 9000, ...options });
  return { sandbox, report: await startReport(sandbox, report) };
}

describe('the flat map', () => {
  test('counts what is filled in every page of the period, zeros included', async () => {
    const { sandbox, report } = await setup();
    const truth = truthOf(sandbox);
    const names = ['crm_ticket_priority', 'crm_channel_source', 'crm_no_such_attribute'];
    const answer = await report.json(`?attrs=${names.join(',')}&${period}`);
    expect(answer).toEqual({
      crm_ticket_priority: truth.get('crm_ticket_priority')?.length,
      crm_channel_source: truth.get('crm_channel_source')?.length,
      crm_no_such_attribute: 0,
    });
    expect(Object.keys(answer)).toEqual(names);
  });

  test('by default has the two attributes of the service and the last 30 days', async () => {
    const { report } = await setup();
    const [plain, said] = await Promise.all([
      report.json(),
      report.json('?attrs=crm_channel_source,%20crm_ticket_priority,crm_channel_source,&days=30'),
    ]);
    expect(Object.keys(plain)).toEqual(['crm_ticket_priority', 'crm_channel_source']);
    expect(said).toEqual(plain);
    expect(Number(plain['crm_ticket_priority'])).toBeGreaterThan(5000);
  });

  test('a longer period has more', async () => {
    const { report } = await setup();
    const [one, seven] = await Promise.all([
      report.json('?attrs=crm_ticket_id&days=1'),
      report.json('?attrs=crm_ticket_id&days=7'),
    ]);
    expect(Number(seven['crm_ticket_id'])).toBeGreaterThan(5 * Number(one['crm_ticket_id']));
  });

  test('fetches windows side by side, no more than allowed', async () => {
    const { sandbox, report } = await setup({}, { windowsInFlight: 3 });
    sandbox.faults.add({ target: QUERY, latencyMs: 20 });
    await report.json(`?${period}`);
    expect(sandbox.requests.maxInFlight(QUERY)).toBe(3);
  });
});

describe('the detailed report', () => {
  test('agrees with a count by other means, for a day and in all', async () => {
    const { sandbox, report } = await setup();
    const truth = truthOf(sandbox);
    const detail = (await report.json(
      `?detail=true&attrs=crm_ticket_priority,crm_ticket_id&${period}`,
    )) as unknown as Detail;

    expect(detail.period).toEqual({
      from: from.toISOString(),
      to: to.toISOString(),
      days: 30,
      timeZone: 'UTC',
      partialDays: ['2026-10-01', '2026-10-31'],
    });
    expect(detail.conversations).toBe(sandbox.conversations.count(from, to));
    expect(detail.repeated).toBe(0);

    const priority = detail.attributes['crm_ticket_priority'];
    const values = truth.get('crm_ticket_priority') ?? [];
    const counts = new Map<unknown, number>();
    for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
    expect(priority).toMatchObject({
      populated: values.length,
      distinct: { count: counts.size, exact: true },
      violations: { regex: counts.get('URGENT') },
      firstDay: '2026-10-01',
      lastDay: '2026-10-31',
      defined: true,
      origin: 'service',
    });
    expect(priority?.['topValues']).toEqual(
      ['medium', 'low', 'high', 'critical'].map((value) => ({ value, count: counts.get(value) })),
    );
    const perDay = priority?.['perDay'] as { day: string; count: number }[];
    expect(perDay).toHaveLength(31);
    expect(perDay.reduce((sum, { count }) => sum + count, 0)).toBe(values.length);

    const ids = detail.attributes['crm_ticket_id'];
    const { count, exact } = { ...ids }['distinct'] as { count: number; exact: boolean };
    const different = new Set(truth.get('crm_ticket_id')).size;
    expect(exact).toBe(false);
    expect(Math.abs(count - different) / different).toBeLessThan(0.033);
    expect(ids).not.toHaveProperty('topValues');
  });

  test('names what is filled and not defined', async () => {
    const { sandbox, report } = await setup();
    const truth = truthOf(sandbox);
    const detail = (await report.json(`?detail=true&${period}`)) as unknown as Detail;
    expect(detail.filledNotDefined).toContainEqual({
      attribute: 'legacy_case_ref',
      populated: truth.get('legacy_case_ref')?.length,
    });
    expect(detail.filledNotDefined.map(({ attribute }) => attribute)).not.toContain(
      'crm_ticket_id',
    );
    expect(detail.definedNeverFilled).toEqual([]);
    expect(detail.truncated).toBe(false);
  });

  test('with an organisation uses the definitions that hold there, inherited ones included', async () => {
    const { sandbox, report } = await setup();
    sandbox.organisation.addGroup({ id: 'top', name: 'Top' }, [
      { name: 'crm_survey_score', type: 'number', validationRules: [{ type: 'range', max: 100 }] },
      { name: 'never_used', type: 'string' },
    ]);
    sandbox.organisation.addGroup({ id: 'below', name: 'Below', parentId: 'top' }, [
      { name: 'crm_account_active', type: 'string', required: true },
    ]);
    const detail = (await report.json(
      `?detail=true&orgId=below&attrs=crm_survey_score,crm_account_active&${period}`,
    )) as unknown as Detail;
    const truth = truthOf(sandbox);
    expect(detail).toMatchObject({ orgId: 'below', warnings: [] });
    expect(detail.attributes['crm_survey_score']).toMatchObject({
      defined: true,
      origin: 'top',
      violations: { range: truth.get('crm_survey_score')?.filter((v) => Number(v) > 100).length },
    });
    const active = truth.get('crm_account_active')?.length ?? 0;
    expect(detail.attributes['crm_account_active']).toMatchObject({
      origin: 'below',
      violations: { type: active, required: detail.conversations - active },
    });
    expect(detail.definedNeverFilled).toContainEqual({ attribute: 'never_used', origin: 'top' });
  });

  test('with values turned off shows none', async () => {
    const { report } = await setup({}, { showValues: 'off' });
    const text = await (await report.get(`?detail=true&${period}`)).text();
    expect(text).not.toContain('topValues');
    expect(text).not.toContain('URGENT');
  });
});

describe('all attributes', () => {
  const all = async (report: Awaited<ReturnType<typeof setup>>['report'], query = '') =>
    report.json(`?attrs=*&${period}${query}`);

  test('are those that are filled or defined for the unit, by name, zeros included', async () => {
    const { sandbox, report } = await setup();
    sandbox.organisation.addGroup({ id: 'top', name: 'Top' }, [
      { name: 'never_used', type: 'string' },
      { name: 'crm_survey_score', type: 'number' },
    ]);
    sandbox.organisation.addGroup({ id: 'below', name: 'Below', parentId: 'top' });
    const truth = truthOf(sandbox);
    const expected = new Map([...truth].map(([name, values]) => [name, values.length]));

    const flat = await all(report);
    expect(Object.keys(flat)).toEqual(Object.keys(flat).toSorted());
    expect(flat).not.toHaveProperty('never_used');
    expect(new Map(Object.entries(flat))).toEqual(expected);
    const ofUnit = await all(report, '&orgId=below');
    expect(ofUnit).toEqual({ ...flat, never_used: 0 });

    const detail = (await all(report, '&orgId=below&detail=true')) as unknown as Detail;
    expect(
      Object.entries(detail.attributes).map(([name, usage]) => [name, usage['populated']]),
    ).toEqual(Object.entries(ofUnit).toSorted(([a], [b]) => (a < b ? -1 : 1)));
    expect(detail.attributes['never_used']).toMatchObject({ defined: true, origin: 'top' });
    expect(detail.attributes['legacy_case_ref']).toMatchObject({ defined: false });
    const csv = await (await report.get(`?attrs=*&${period}&format=csv`)).text();
    expect(
      csv
        .trimEnd()
        .split('\r\n')
        .slice(1)
        .map((line) => line.split(',', 2)),
    ).toEqual(Object.entries(flat).map(([name, count]) => [name, String(count)]));
  });

  test('more than can be counted are a 422 that says what to do, not a part of them', async () => {
    const { sandbox, report } = await setup();
    const many = Array.from({ length: 501 }, (_, index) => ({
      name: `a${index}`,
      type: 'string' as const,
    }));
    sandbox.organisation.addGroup({ id: 'many', name: 'Many' }, many);
    sandbox.organisation.addGroup({ id: 'enough', name: 'Enough' }, many.slice(0, 499));
    for (const [orgId, queries] of [
      ['many', 0],
      ['enough', 1],
    ] as const) {
      const { status, code, text } = await report.problem(`?attrs=*&${period}&orgId=${orgId}`);
      expect({ status, code }).toEqual({ status: 422, code: 'report_too_many_attributes' });
      expect(text).toContain('500');
      expect(sandbox.requests.count(QUERY) > 0).toBe(queries > 0);
    }
  });
});

test('an analyst may see the report and what could be filled, and write nothing', async () => {
  const sandbox = await sandboxOf({ conversations: 100 });
  const { routes } = await attributesUnderTest(sandbox.environment, {});
  await using app = await startTestServer(routes, {
    authentication: {
      schemes: [],
      authenticate: async () => ({ roles: new Set(['report'] as const) }),
    },
  });
  const statusOf = async (path: string, method = 'GET') =>
    (await fetch(`${app.url}${path}`, { method })).status;
  expect(await statusOf('/report')).toBe(200);
  expect(await statusOf('/attributes?orgId=acme-emea')).toBe(200);
  expect(await statusOf('/map', 'POST')).toBe(403);
});

describe('what callers get wrong', () => {
  const faults: readonly (readonly [query: string, about: string])[] = [
    ['?days=0', 'days'],
    ['?days=-1', 'days'],
    ['?days=1e9', 'days'],
    ['?days=abc', 'days'],
    ['?days=366', 'days'],
    ['?days=', 'days'],
    ['?days=0x10', 'days'],
    ['?days=1e1', 'days'],
    ['?days=%2B5', 'days'],
    ['?days=%205', 'days'],
    ['?days=7.0', 'days'],
    ['?attrs=', 'attrs'],
    ['?attrs=,,', 'attrs'],
    ['?attrs=*,crm_ticket_id', 'attrs'],
    ['?attrs=crm_*', 'attrs'],
    ['?attrs=__proto__', 'attrs'],
    ['?attrs=ok,constructor', 'attrs'],
    ['?attrs=a%20b', 'attrs'],
    [`?attrs=${'a'.repeat(129)}`, 'attrs'],
    ['?attrs=%3Cscript%3E', 'attrs'],
    [`?attrs=${Array.from({ length: 101 }, (_, index) => `a${index}`).join(',')}`, '101 names'],
    ['?from=2026-10-02&to=2026-10-01', 'from'],
    ['?from=2026-10-01&to=2026-10-01', 'from'],
    ['?from=2024-10-01&to=2026-10-01', '366 days'],
    ['?from=2999-10-01', 'from'],
    ['?from=2026-02-30', 'from'],
    ['?from=yesterday', 'from'],
    ['?from=2026-10-01T00:00:00', 'offset'],
    ['?to=2026-10-01', 'from'],
    ['?tz=Mars/Olympus', 'tz must be a name of the IANA time zone database'],
    ['?tz=%2B01:00', 'tz'],
    ['?tz=', 'tz'],
    [`?tz=${'A'.repeat(65)}`, 'tz'],
    ['?from=2026-10-01&to=2027-10-03&tz=Europe/Berlin', '366 days'],
    ['?from=2026-10-01&days=3', 'days'],
    ['?detail=perhaps', 'detail'],
    ['?format=xml', 'format'],
    ['?orgId=..%2F..%2Fetc', 'orgId'],
    ['?colour=red', 'colour'],
    ['?days=3&days=4', 'days'],
  ];

  test('is a 400 that says so, and asks Genesys nothing', async () => {
    const { sandbox, report } = await setup();
    for (const [query, about] of faults) {
      const { status, code, text } = await report.problem(query);
      expect.soft({ query, status, code }).toEqual({ query, status: 400, code: 'invalid_query' });
      expect.soft(text).toContain(about);
    }
    expect(sandbox.requests.count('genesys')).toBe(0);
  });

  test('10,000 names are refused, whatever refuses them', async () => {
    const { sandbox, report } = await setup();
    const names = Array.from({ length: 10_000 }, (_, index) => `attribute_${index}`);
    const answer = await report.get(`?attrs=${names.join(',')}`);
    expect([400, 414, 431]).toContain(answer.status);
    const short = Array.from({ length: 7000 }, (_, index) => index.toString(36)).join(',');
    expect((await report.get(`?attrs=a${short.slice(0, 12_000)}`)).status).toBe(400);
    expect(sandbox.requests.count('genesys')).toBe(0);
  });

  test('a date, a date with an offset, and one whose plus sign was not encoded are fine', async () => {
    const { report } = await setup();
    const [date, encoded, plain] = await Promise.all([
      report.json('?from=2026-10-01&to=2026-10-02'),
      report.json('?from=2026-10-01T02:00:00%2B02:00&to=2026-10-01T20:00:00-04:00'),
      report.json('?from=2026-10-01T02:00:00+02:00&to=2026-10-02T00:00:00Z'),
    ]);
    expect(encoded).toEqual(date);
    expect(plain).toEqual(date);
    expect(Number(date['crm_ticket_priority'])).toBeGreaterThan(0);
  });

  test('a type that cannot be had is a 406', async () => {
    const { report } = await setup();
    expect(await report.problem('', { accept: 'image/png' })).toMatchObject({
      status: 406,
      code: 'not_acceptable',
    });
  });
});

describe('what Genesys gets wrong', () => {
  test('a missing permission is a 403 that says what to grant, before the first page', async () => {
    const { sandbox, report } = await setup({ deniedPermissions: ['analytics:read'] });
    const { status, code, text } = await report.problem('');
    expect({ status, code }).toEqual({ status: 403, code: 'genesys_permission_missing' });
    expect(text).toContain('analytics:read');
    expect(sandbox.requests.count(QUERY)).toBe(0);

    sandbox.denied.clear();
    expect((await report.get()).status).toBe(403);
  });

  test('a permission that is taken away is noticed, and asked for anew', async () => {
    const { sandbox, report } = await setup();
    await report.json('?days=1');
    sandbox.denied.add('analytics:read');
    expect((await report.problem('?days=2')).status).toBe(403);
    sandbox.denied.clear();
    await report.json('?days=2');
    expect(sandbox.requests.count('genesys.permissions')).toBe(2);
  });

  test('pages that never end are a 502, not a hang', async () => {
    const { sandbox, report } = await setup();
    sandbox.faults.add({ target: QUERY, repeatPage: true });
    expect(await report.problem('')).toMatchObject({ status: 502, code: 'genesys_endless_pages' });
  });

  test('a page without the list is a 502 that says so', async () => {
    const { sandbox, report } = await setup();
    sandbox.faults.add({ target: QUERY, body: '{"conversations":[]}' });
    const { status, text } = await report.problem('');
    expect(status).toBe(502);
    expect(text).toContain('page');
  });

  test('a failure in one window stops the others, and is not kept', async () => {
    const { sandbox, report } = await setup({}, { windowsInFlight: 2 });
    sandbox.faults.add({ target: QUERY, status: 400, times: 1 });
    sandbox.faults.add({ target: QUERY, latencyMs: 30 });
    expect((await report.problem(`?detail=true&${period}`)).status).toBe(502);
    expect(sandbox.requests.count(QUERY)).toBeLessThanOrEqual(3);
    expect((await report.get(`?detail=true&${period}`)).status).toBe(200);
  });

  test('more pages than allowed are a 422 that says what to do', async () => {
    const { report } = await setup({}, { maxPages: 3 });
    const { status, code, text } = await report.problem(`?${period}`);
    expect({ status, code }).toEqual({ status: 422, code: 'report_too_large' });
    expect(text).toContain('REPORT_MAX_PAGES');
  });

  test('an organisation that cannot be read is an error, not a shorter list', async () => {
    const { sandbox, report } = await setup();
    sandbox.faults.add({ target: 'genesys.groups.get', status: 500 });
    expect((await report.problem('?detail=true&orgId=acme-emea')).status).toBe(502);
    expect(sandbox.requests.count(QUERY)).toBe(0);
  });
});
