import { describe, expect, test, vi } from 'vitest';
import { UTC } from '../../../src/attributes/report/time-zone.ts';
import { json, startFakeGenesys } from '../../genesys/fake-genesys.ts';
import { startReport } from '../../support/report-under-test.ts';

type Options = Parameters<typeof startReport>[1];

const PAGE = [
  { conversationId: 'a', customAttributes: { crm_ticket_priority: 'high' } },
  { conversationId: 'b', customAttributes: { crm_ticket_priority: '' } },
  { conversationId: 'c' },
];

/** A Genesys whose queries wait until they are let go; each window has one page. */
async function setup(options: Options = {}) {
  let isOpen = false;
  let aborted = 0;
  const waiting = new Set<() => void>();
  const fake = await startFakeGenesys(({ url }, response) => {
    if (url.includes('effectivepermissions')) {
      json(response, 200, [{ permissionId: 'analytics:read', value: true }]);
      return;
    }
    const answer = () => json(response, 200, { page: PAGE });
    response.once('close', () => {
      if (!response.writableFinished) aborted += 1;
      waiting.delete(answer);
    });
    if (isOpen) answer();
    else waiting.add(answer);
  });
  const report = await startReport({ url: fake.baseUrl }, options);
  const queries = () => fake.calls.filter(({ url }) => url.includes('/analytics/'));
  return {
    report,
    queries,
    aborted: () => aborted,
    /** Waits until this many queries wait. */
    held: (count: number) => vi.waitFor(() => expect(waiting.size).toBe(count)),
    letGo() {
      isOpen = true;
      for (const answer of waiting) answer();
    },
  };
}

/** `GET /report` in one day is one window, so one query. */
const DAY = '?from=2026-10-01&to=2026-10-02';
const COUNTS = { crm_ticket_priority: 1, crm_channel_source: 0 };

describe('equal questions', () => {
  test('at the same time share one query, whatever their order and form', async () => {
    const genesys = await setup();
    const questions = [
      DAY,
      `${DAY}&attrs=crm_channel_source,crm_ticket_priority`,
      `${DAY}&format=csv`,
      '?from=2026-10-01T00:00:00Z&to=2026-10-02T02:00:00%2B02:00',
      `${DAY}&orgId=acme`,
    ];
    const answers = questions.map((query) => genesys.report.get(query));
    await genesys.held(1);
    genesys.letGo();
    for (const answer of answers) expect((await answer).status).toBe(200);
    expect(genesys.queries()).toHaveLength(1);
  });

  test('soon after are answered from memory, with what is left of the time; then anew', async () => {
    let clock = Date.parse('2026-11-01T12:00:00Z');
    const genesys = await setup({ cacheTtlSeconds: 60, now: () => clock });
    genesys.letGo();
    const first = await genesys.report.get('?days=1');
    expect(first.headers.get('cache-control')).toBe('private, max-age=60');
    const { length } = genesys.queries();
    clock += 45_000;
    const second = await genesys.report.get('?days=1');
    expect(second.headers.get('cache-control')).toBe('private, max-age=15');
    expect(await second.json()).toEqual(await first.json());
    expect(genesys.queries()).toHaveLength(length);
    clock += 15_000;
    await genesys.report.json('?days=1');
    expect(genesys.queries()).toHaveLength(2 * length);
  });

  test('different ones do not share', async () => {
    const genesys = await setup();
    genesys.letGo();
    await genesys.report.json(DAY);
    await genesys.report.json(`${DAY}&detail=true`);
    await genesys.report.json(`${DAY}&attrs=crm_ticket_id`);
    await genesys.report.json('?from=2026-10-01&to=2026-10-01T23:59:59Z');
    expect(genesys.queries()).toHaveLength(4);
  });

  test('with a time to live of 0 are not kept', async () => {
    const genesys = await setup({ cacheTtlSeconds: 0 });
    genesys.letGo();
    const answer = await genesys.report.get(DAY);
    expect(answer.headers.get('cache-control')).toBe('private, max-age=0');
    await genesys.report.json(DAY);
    expect(genesys.queries()).toHaveLength(2);
  });
});

describe('a caller who leaves', () => {
  test('does not take the report from the others', async () => {
    const genesys = await setup({ heartbeatMs: 10 });
    const leaving = new AbortController();
    const left = genesys.report.get(DAY, {}, leaving.signal);
    await genesys.held(1);
    const stays = genesys.report.json(`${DAY}&format=json`);
    // The heartbeat of a third shows that the second has arrived, too.
    const third = await genesys.report.get(DAY, { accept: 'text/event-stream' });
    leaving.abort();
    await expect(left).rejects.toThrow();
    genesys.letGo();
    expect(await stays).toEqual(COUNTS);
    expect(await third.text()).toContain(JSON.stringify(COUNTS));
    expect(genesys.queries()).toHaveLength(1);
    expect(genesys.aborted()).toBe(0);
  });

  test('as the last one stops the query; who comes then gets a new one', async () => {
    const genesys = await setup({ windowsInFlight: 2 });
    const callers = [new AbortController(), new AbortController()];
    const left = callers.map(({ signal }) => genesys.report.get('?days=30', {}, signal));
    await genesys.held(2);
    for (const caller of callers) caller.abort();
    await Promise.allSettled(left);
    await vi.waitFor(() => expect(genesys.aborted()).toBe(2));
    expect(genesys.queries()).toHaveLength(2);

    genesys.letGo();
    await genesys.report.json('?days=30');
    expect(genesys.queries().length).toBeGreaterThan(2);
  });

  test('within the domain: each signal ends one wait, with its own reason', async () => {
    const genesys = await setup();
    const { reports } = genesys.report;
    const question = {
      attributes: ['crm_ticket_priority'],
      period: { from: new Date('2026-10-01'), to: new Date('2026-10-02') },
      timeZone: UTC,
      detail: false,
    };
    const first = new AbortController();
    const second = new AbortController();
    const one = reports.report(question, { caller: 'one', signal: first.signal });
    const two = reports.report(question, { caller: 'one', signal: second.signal });
    await genesys.held(1);
    first.abort(new Error('first left'));
    await expect(one).rejects.toThrow('first left');
    expect(genesys.aborted()).toBe(0);
    second.abort(new Error('second left'));
    const three = reports.report(question, { caller: 'one' });
    await expect(two).rejects.toThrow('second left');
    await expect(
      reports.report(question, {
        caller: 'one',
        signal: AbortSignal.abort(new Error('never came')),
      }),
    ).rejects.toThrow('never came');
    genesys.letGo();
    expect((await three).populated.get('crm_ticket_priority')).toBe(1);
  });
});

describe('windows', () => {
  test('are half-open, disjoint, cut at midnights UTC, and a repeated id counts once', async () => {
    const genesys = await setup();
    genesys.letGo();
    const detail = await genesys.report.json(
      '?detail=true&from=2026-10-01T06:00:00Z&to=2026-10-03T06:00:00Z',
    );
    const bodies = genesys
      .queries()
      .map(({ body }) => JSON.parse(body) as { dateFrom: string; dateTo: string });
    expect(bodies.map(({ dateFrom, dateTo }) => `${dateFrom} ${dateTo}`).toSorted()).toEqual([
      '2026-10-01T06:00:00.000Z 2026-10-02T00:00:00.000Z',
      '2026-10-02T00:00:00.000Z 2026-10-03T00:00:00.000Z',
      '2026-10-03T00:00:00.000Z 2026-10-03T06:00:00.000Z',
    ]);
    expect(detail).toMatchObject({ conversations: 3, repeated: 6, repetitionChecked: true });
    expect(detail['attributes']).toMatchObject({
      crm_ticket_priority: { populated: 1, firstDay: '2026-10-01', lastDay: '2026-10-01' },
    });
  });
});
