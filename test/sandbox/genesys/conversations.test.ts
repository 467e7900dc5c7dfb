import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createConversations } from '../../../src/sandbox/genesys/conversations.ts';
import { createCaller, QUERY, sandboxWith } from '../caller.ts';

type Caller = Awaited<ReturnType<typeof createCaller>>;

const DAY_MS = 86_400_000;

function body(from: string, to: string) {
  return {
    dateFrom: from,
    dateTo: to,
    view: 'conversation',
    metrics: [{ name: 'conversationCount' }],
    dimensions: ['customAttributes'],
    entity: { id: 'interactions' },
    pageSize: 1000,
  };
}

async function pages(caller: Caller, from: string, to: string): Promise<unknown[][]> {
  const all: unknown[][] = [];
  let cursor: unknown;
  do {
    const answer = await caller.post(QUERY, { ...body(from, to), cursor });
    all.push(answer.body['page'] as unknown[]);
    cursor = answer.body['nextPageToken'];
  } while (cursor !== undefined);
  return all;
}

describe('conversations', () => {
  test('come in pages of a thousand, all different, as many as were asked for', async () => {
    const sandbox = await sandboxWith({ conversations: 2500 });
    const caller = await createCaller(sandbox);

    const all = await pages(caller, '2026-10-01T00:00:00Z', '2026-10-31T00:00:00Z');

    expect(all.map(({ length }) => length)).toEqual([1000, 1000, 500]);
    const ids = all.flat().map((c) => (c as { conversationId: string }).conversationId);
    expect(new Set(ids).size).toBe(2500);
  });

  test('are the same each time, and what the sandbox says of itself', async () => {
    const sandbox = await sandboxWith({ conversations: 3000 });
    const caller = await createCaller(sandbox);
    const [from, to] = ['2026-09-01T00:00:00Z', '2026-09-08T00:00:00Z'];

    const once = (await pages(caller, from, to)).flat();
    const twice = (await pages(caller, from, to)).flat();

    expect(twice).toEqual(once);
    const expected = [...sandbox.conversations.each(new Date(from), new Date(to))];
    expect(once.map((c) => (c as { customAttributes?: unknown }).customAttributes)).toEqual(
      expected,
    );
    expect(sandbox.conversations.count(new Date(from), new Date(to))).toBe(expected.length);
  });

  test('have filled, empty, wrong, undefined and missing attributes', () => {
    const conversations = createConversations({ seed: 1, perMonth: 20_000 });
    const all = [...conversations.each(new Date('2026-01-01'), new Date('2026-01-31'))];
    const values = new Set(all.map((attributes) => attributes?.['crm_ticket_priority']));

    expect(all).toHaveLength(20_000);
    expect(all.filter((attributes) => attributes === undefined).length).toBeGreaterThan(1000);
    expect([...values]).toEqual(
      expect.arrayContaining(['low', 'medium', 'high', 'critical', 'URGENT', '', null, undefined]),
    );
    expect(all.some((attributes) => attributes?.['legacy_case_ref'] !== undefined)).toBe(true);
  });

  test('of the parts of a period add up to those of the whole', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000_000 }),
        fc.array(fc.integer({ min: 0, max: 60 * DAY_MS }), { minLength: 1, maxLength: 8 }),
        (perMonth, offsets) => {
          const conversations = createConversations({ seed: 1, perMonth });
          const start = Date.parse('2026-01-01');
          const cuts = [0, ...offsets, 60 * DAY_MS].sort((a, b) => a - b);
          const at = (offset: number) => new Date(start + offset);
          const parts = cuts.slice(1).map((to, i) => conversations.count(at(cuts[i] ?? 0), at(to)));
          expect(parts.reduce((sum, part) => sum + part, 0)).toBe(
            conversations.count(at(0), at(60 * DAY_MS)),
          );
        },
      ),
      // Building the prepared texts takes some milliseconds each.
      { numRuns: 20 },
    );
  });

  test.each([
    ['dates the wrong way round', body('2026-02-01', '2026-01-01')],
    ['no date', { ...body('2026-01-01', '2026-02-01'), dateFrom: 'soon' }],
    ['too large a page', { ...body('2026-01-01', '2026-02-01'), pageSize: 1001 }],
    ['a made-up cursor', { ...body('2026-01-01', '2026-02-01'), cursor: 'abc' }],
    [
      "another query's cursor",
      { ...body('2026-01-01', '2026-02-01'), cursor: Buffer.from('at:1').toString('base64url') },
    ],
  ])('%s: a 400', async (_what, query) => {
    const caller = await createCaller(await sandboxWith());
    expect((await caller.post(QUERY, query)).status).toBe(400);
  });

  test('a page can lead to itself for ever', async () => {
    const sandbox = await sandboxWith({ conversations: 10 });
    sandbox.faults.add({ target: 'genesys.analytics', repeatPage: true });
    const caller = await createCaller(sandbox);
    const query = body('2026-01-01', '2026-01-31');

    const first = await caller.post(QUERY, query);
    const second = await caller.post(QUERY, { ...query, cursor: first.body['nextPageToken'] });

    expect(second.body).toEqual(first.body);
  });
});
