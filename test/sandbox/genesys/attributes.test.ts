import { describe, expect, test } from 'vitest';
import { BATCH, createCaller, DEFINITIONS, sandboxWith, TEXT } from '../caller.ts';

const PRIORITY = {
  name: 'crm_ticket_priority',
  type: 'string',
  description: 'Priority of the ticket',
  required: false,
  validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
};

function names(body: Record<string, unknown>): string[] {
  return (body['entities'] as { name: string }[]).map(({ name }) => name);
}

describe('definitions', () => {
  test('the root has more than one page, and the pages make up the whole', async () => {
    const caller = await createCaller(await sandboxWith());

    const first = await caller.get(`${DEFINITIONS}?orgId=acme&pageSize=100&pageNumber=1`);
    const second = await caller.get(String(first.body['nextUri']));

    expect(first.body).toMatchObject({ pageNumber: 1, pageSize: 100, pageCount: 2, total: 144 });
    expect(second.body).not.toHaveProperty('nextUri');
    expect(new Set([...names(first.body), ...names(second.body)]).size).toBe(144);
  });

  test('each level has its own, one name is narrowed on the way down', async () => {
    const caller = await createCaller(await sandboxWith());

    const emea = await caller.get(`${DEFINITIONS}?orgId=acme-emea`);
    const support = await caller.get(`${DEFINITIONS}?orgId=acme-emea-support`);

    expect(names(emea.body)).toContain('crm_case_region');
    expect(names(support.body)).toEqual([
      'support_tier',
      'support_sla_hours',
      'support_first_contact',
    ]);
  });

  test('what is posted holds at the root and for unknown units, and exists the second time', async () => {
    const caller = await createCaller(await sandboxWith());

    const created = await caller.post(DEFINITIONS, PRIORITY);
    const again = await caller.post(DEFINITIONS, PRIORITY);

    expect(created).toMatchObject({ status: 201, body: { ...PRIORITY, id: TEXT } });
    expect(created.body['selfUri']).toBe(`${DEFINITIONS}/${String(created.body['id'])}`);
    expect(again).toMatchObject({ status: 409, body: { status: 409, code: 'conflict' } });
    const root = await caller.get(`${DEFINITIONS}?orgId=acme&pageSize=100&pageNumber=2`);
    expect(names(root.body)).toContain(PRIORITY.name);
    const unknown = await caller.get(`${DEFINITIONS}?orgId=globex`);
    expect(names(unknown.body)).toEqual([PRIORITY.name]);
    const below = await caller.get(`${DEFINITIONS}?orgId=acme-emea`);
    expect(names(below.body)).not.toContain(PRIORITY.name);
  });

  test.each([
    ['no name', { ...PRIORITY, name: '' }],
    ['an unknown type', { ...PRIORITY, type: 'money' }],
    ['rules that are no list', { ...PRIORITY, validationRules: {} }],
    ['a list', []],
    ['no JSON', '{'],
  ])('%s is a 400', async (_what, definition) => {
    const caller = await createCaller(await sandboxWith());
    expect(await caller.post(DEFINITIONS, definition)).toMatchObject({
      status: 400,
      body: { message: TEXT, code: TEXT, errors: [] },
    });
  });

  test.each(['pageSize=101', 'pageSize=0', 'pageNumber=x'])('%s is a 400', async (query) => {
    const caller = await createCaller(await sandboxWith());
    expect((await caller.get(`${DEFINITIONS}?${query}`)).status).toBe(400);
  });
});

describe('groups', () => {
  test('lead to the top, which has no parent; an unknown one is a 404', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);

    const support = await caller.get('/api/v2/groups/acme-emea-support');
    const top = await caller.get('/api/v2/groups/acme');
    const unknown = await caller.get('/api/v2/groups/%2e%2e%2fsecret');

    expect(support.body).toMatchObject({ id: 'acme-emea-support', parentId: 'acme-emea' });
    expect(top.body).toEqual({ id: 'acme', name: 'Acme' });
    expect(unknown).toMatchObject({ status: 404, body: { code: 'not.found' } });
  });

  test('any tree can be built, a circle too', async () => {
    const sandbox = await sandboxWith();
    sandbox.organisation.addGroup({ id: 'a b', name: 'A', parentId: 'c' }, [
      { name: 'a_attribute', type: 'date' },
    ]);
    sandbox.organisation.addGroup({ id: 'c', name: 'C', parentId: 'a b' });
    const caller = await createCaller(sandbox);

    expect((await caller.get('/api/v2/groups/a%20b')).body['parentId']).toBe('c');
    expect((await caller.get('/api/v2/groups/c')).body['parentId']).toBe('a b');
    const { body } = await caller.get(`${DEFINITIONS}?orgId=a%20b`);
    expect(names(body)).toEqual(['a_attribute']);
  });
});

test('permissions say what a token may do, and what was taken away', async () => {
  const sandbox = await sandboxWith({ deniedPermissions: ['customattributes:write'] });
  const caller = await createCaller(sandbox);

  const { body } = await caller.get('/api/v2/accesscontrol/roles/effectivepermissions');

  expect(body).toContainEqual({ permissionId: 'customattributes:write', value: false });
  expect(body).toContainEqual({ permissionId: 'analytics:read', value: true });
  const batch = { entities: [{ id: '1' }], partialUpdate: true };
  expect((await caller.post(BATCH, batch)).status).toBe(403);
  sandbox.denied.delete('customattributes:write');
  expect((await caller.post(BATCH, batch)).status).toBe(200);
});

describe('the batch upsert', () => {
  test('creates, updates the given attributes only, and counts', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);

    const first = await caller.post(BATCH, {
      entities: [{ id: 'T1', a: 1, b: 'x' }, { id: 'T2' }],
      partialUpdate: true,
    });
    await caller.post(BATCH, { entities: [{ id: 'T1', b: 'ü' }], partialUpdate: true });

    expect(first).toMatchObject({ status: 200, body: { updated: 2 } });
    expect(sandbox.records.stored.get('T1')).toEqual({
      entity: { id: 'T1', a: 1, b: 'ü' },
      writes: 2,
    });
    expect(sandbox.records.written()).toBe(3);
    await caller.post(BATCH, { entities: [{ id: 'T1', c: true }] });
    expect(sandbox.records.stored.get('T1')?.entity).toEqual({ id: 'T1', c: true });
  });

  test('a property called __proto__ stays a property', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    const body = '{"entities":[{"id":"T1","__proto__":{"polluted":1}}],"partialUpdate":true}';

    await caller.post(BATCH, body);
    await caller.post(BATCH, body);

    expect(Object.keys(sandbox.records.stored.get('T1')?.entity ?? {})).toEqual([
      'id',
      '__proto__',
    ]);
  });

  test('refuses some entities, each by its id', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);

    const { status, body } = await caller.post(BATCH, {
      entities: [{ id: 'T1' }, { id: 'refuse-2' }],
      partialUpdate: true,
    });

    expect(status).toBe(200);
    expect(body['results']).toEqual([
      { id: 'T1', status: 200 },
      { id: 'refuse-2', status: 400, error: TEXT },
    ]);
    expect([...sandbox.records.stored.keys()]).toEqual(['T1']);
  });

  test.each([
    ['1001 entities', Array.from({ length: 1001 }, (_, id) => ({ id: `${id}` })), 'too many'],
    ['one poisonous entity', [{ id: 'T1' }, { id: 'poison-2' }], 'cannot be processed'],
    ['an entity without an id', [{ id: 'T1' }, { name: 'x' }], 'needs an id'],
    ['no entity', [], 'at least one'],
  ])('%s: the batch is a 400 and nothing is written', async (_what, entities, reason) => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);

    const { status, body } = await caller.post(BATCH, { entities, partialUpdate: true });

    expect(status).toBe(400);
    expect(body['message']).toContain(reason);
    expect(sandbox.records.stored.size).toBe(0);
  });

  test('more bytes than allowed are a 413', async () => {
    const caller = await createCaller(await sandboxWith({ maxBatchBytes: 1000 }));
    const batch = { entities: [{ id: 'T1', note: 'x'.repeat(1000) }], partialUpdate: true };
    expect((await caller.post(BATCH, batch)).status).toBe(413);
  });

  test('can insist on defined attributes, and can list every result', async () => {
    const sandbox = await sandboxWith({ checkAttributes: true, alwaysResults: true });
    const caller = await createCaller(sandbox);

    const { body } = await caller.post(BATCH, {
      entities: [
        { id: 'T1', support_tier: 'gold' },
        { id: 'T2', unheard_of: 1 },
      ],
      partialUpdate: true,
    });

    expect(body['results']).toEqual([
      { id: 'T1', status: 200 },
      { id: 'T2', status: 400, error: 'There is no custom attribute unheard_of.' },
    ]);
  });

  test('keeps a bounded number of records', async () => {
    const sandbox = await sandboxWith({ keepRecords: 2 });
    const caller = await createCaller(sandbox);
    const entities = [{ id: 'T1' }, { id: 'T2' }, { id: 'T3' }];
    await caller.post(BATCH, { entities, partialUpdate: true });
    expect([...sandbox.records.stored.keys()]).toEqual(['T2', 'T3']);
    expect(sandbox.records.written()).toBe(3);
  });
});

describe('the rate limit', () => {
  test('is reported in headers, and ends in a 429 that says when to come back', async () => {
    const sandbox = await sandboxWith({ rateLimitPerMinute: 2 });
    const caller = await createCaller(sandbox);

    const first = await caller.get('/api/v2/groups/acme');
    await caller.get('/api/v2/groups/acme');
    const third = await caller.get('/api/v2/groups/acme');

    expect(first.headers.get('inin-ratelimit-allowed')).toBe('2');
    expect(first.headers.get('inin-ratelimit-count')).toBe('1');
    expect(Number(first.headers.get('inin-ratelimit-reset'))).toBeGreaterThan(0);
    expect(third.status).toBe(429);
    expect(third.body['code']).toBe('too.many.requests.retry.after');
    expect(third.body['message']).toContain(`[${third.headers.get('retry-after')}] seconds`);
  });

  test('starts anew with each window, and can be lifted', async () => {
    const sandbox = await sandboxWith({ rateLimitPerMinute: 1, rateLimitWindowMs: 20 });
    const caller = await createCaller(sandbox);
    const statuses: number[] = [];
    while (!(statuses.includes(429) && statuses.at(-1) === 200)) {
      statuses.push((await caller.get('/api/v2/groups/acme')).status);
    }
    sandbox.rateLimit.set(0);
    const answer = await caller.get('/api/v2/groups/acme');
    expect(answer.headers.has('inin-ratelimit-count')).toBe(false);
  });
});

test('an unknown path is a 404 in the words of Genesys', async () => {
  const caller = await createCaller(await sandboxWith());
  expect(await caller.get('/api/v2/nothing')).toMatchObject({
    status: 404,
    body: { code: 'not.found', details: [] },
  });
});
