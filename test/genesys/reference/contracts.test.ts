import nock from 'nock';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../../src/errors.ts';
import { createAttributeDefinitions } from '../../../src/genesys/reference/attribute-definitions.ts';
import { createAttributeWriter } from '../../../src/genesys/reference/attribute-writer.ts';
import { createConversations } from '../../../src/genesys/reference/conversations.ts';
import { createEventSource } from '../../../src/genesys/reference/event-source.ts';
import { createOrganisationUnits } from '../../../src/genesys/reference/organisation-units.ts';
import { createPermissions } from '../../../src/genesys/reference/permissions.ts';
import { collect, failureOf, genesysClient } from '../client-under-test.ts';

const BASE = 'https://api.mypurecloud.test';
const authorized = {
  reqheaders: { authorization: 'Bearer the-token', accept: 'application/json' },
};

beforeAll(() => nock.disableNetConnect());
afterEach(() => {
  const pending = nock.pendingMocks();
  nock.cleanAll();
  expect(pending).toEqual([]);
});
afterAll(() => nock.restore());

/** A client whose token request is answered. */
function client() {
  nock(BASE)
    .post('/oauth/token')
    .reply(200, { access_token: 'the-token', expires_in: 3600, token_type: 'bearer' });
  return genesysClient(BASE).client;
}

describe('attribute definitions', () => {
  const definition = {
    name: 'crm_ticket_priority',
    type: 'string',
    description: 'Priority of the ticket',
    required: true,
    defaultValue: 'low',
    validationRules: [{ type: 'regex', value: '^(low|high)$' }],
  } as const;

  it('lists all pages of a unit', async () => {
    const genesys = nock(BASE, authorized);
    for (const pageNumber of [1, 2]) {
      genesys
        .get('/api/v2/customattributes')
        .query({ orgId: 'acme & co/ü', pageSize: '100', pageNumber: String(pageNumber) })
        .reply(200, {
          entities: [{ ...definition, id: `d${pageNumber}`, selfUri: '/x' }],
          pageNumber,
          pageSize: 100,
          pageCount: 2,
          total: 2,
        });
    }

    const found = await createAttributeDefinitions(client()).ofUnit('acme & co/ü');

    expect(found).toEqual([
      { ...definition, id: 'd1' },
      { ...definition, id: 'd2' },
    ]);
  });

  it('takes null for absent, and keeps rules of unknown types', async () => {
    nock(BASE)
      .get('/api/v2/customattributes')
      .query(true)
      .reply(200, {
        entities: [
          {
            name: 'a',
            type: 'date',
            description: null,
            required: null,
            defaultValue: null,
            validationRules: [{ type: 'luhn', value: null, min: 1, max: null }],
          },
          { name: 'b', type: 'boolean', validationRules: null },
        ],
      });

    expect(await createAttributeDefinitions(client()).ofUnit('acme')).toEqual([
      { name: 'a', type: 'date', validationRules: [{ type: 'luhn', min: 1 }] },
      { name: 'b', type: 'boolean', validationRules: [] },
    ]);
  });

  it.each([
    [201, 'created', { id: 'd1', selfUri: '/x' }],
    [200, 'created', { id: 'd1', selfUri: '/x' }],
    [409, 'existed', { code: 'conflict' }],
  ] as const)('define: %i = %s', async (status, outcome, body) => {
    nock(BASE, authorized).post('/api/v2/customattributes', definition).reply(status, body);

    expect(await createAttributeDefinitions(client()).define(definition)).toBe(outcome);
  });
});

describe('organisation units', () => {
  it.each([
    ['a parent', 200, { id: 'a', name: 'A', parentId: 'top' }, 'top'],
    ['none', 200, { id: 'a', name: 'A' }, undefined],
    ['null', 200, { id: 'a', name: 'A', parentId: null }, undefined],
    ['an unknown unit', 404, { code: 'not.found' }, undefined],
  ])('%s', async (_name, status, body, parent) => {
    nock(BASE, authorized).get('/api/v2/groups/a%2Fb%20%3Fc').reply(status, body);
    expect(await createOrganisationUnits(client()).parentOf('a/b ?c')).toBe(parent);
  });

  it.each(['..', '.', '', '\ud800'])('%j is no unit, and is not asked for', async (id) => {
    const units = createOrganisationUnits(genesysClient(BASE).client);
    expect(await units.parentOf(id)).toBeUndefined();
  });
});

it('permissions: only what has the value true', async () => {
  nock(BASE, authorized)
    .get('/api/v2/accesscontrol/roles/effectivepermissions')
    .reply(200, [
      { permissionId: 'customattributes:write', value: true },
      { permissionId: 'analytics:read', value: false },
    ]);

  expect(await createPermissions(client()).effective()).toEqual(
    new Set(['customattributes:write']),
  );
});

it('conversations: the query of a period', async () => {
  const query = {
    dateFrom: '2026-01-01T00:00:00.000Z',
    dateTo: '2026-01-31T00:00:00.000Z',
    view: 'conversation',
    metrics: [{ name: 'conversationCount' }],
    dimensions: ['customAttributes'],
    entity: { id: 'interactions' },
    pageSize: 1000,
  };
  const path = '/api/v2/analytics/conversations/details/query';
  nock(BASE, authorized)
    .post(path, query)
    .reply(200, {
      page: [{ conversationId: 'c1', customAttributes: { a: 'x' } }],
      nextPageToken: 't1',
    })
    .post(path, { ...query, cursor: 't1' })
    .reply(200, { page: [{ customAttributes: null }, {}], nextPageToken: null });

  const pages = createConversations(client(), { maxPages: 10 }).pages({
    from: new Date('2026-01-01'),
    to: new Date('2026-01-31'),
  });

  expect(await collect(pages)).toEqual([
    [{ conversationId: 'c1', customAttributes: { a: 'x' } }],
    [{}, {}],
  ]);
});

it('attribute writer: a partial update of the batch', async () => {
  nock(BASE, authorized)
    .post('/api/v2/customattributes/batch', {
      entities: [
        { id: 'T1', crm_ticket_id: 'T1', amount: 3 },
        { id: 'T2', vip: true },
      ],
      partialUpdate: true,
    })
    .reply(204);

  const answer = await createAttributeWriter(client()).upsert([
    {
      id: 'T1',
      attributes: new Map<string, string | number>([
        ['crm_ticket_id', 'T1'],
        ['amount', 3],
      ]),
    },
    { id: 'T2', attributes: new Map([['vip', true]]) },
  ]);

  expect(answer.outcomes).toEqual([
    { id: 'T1', written: true },
    { id: 'T2', written: true },
  ]);
});

describe('subscriptions', () => {
  const options = { livenessMs: 1000, maxLineBytes: 1000 };
  const body = (sent: Record<string, unknown>) =>
    sent['name'] === 'high-priority-interactions' &&
    JSON.stringify(sent['resourceTypes']) === '["interaction"]' &&
    JSON.stringify(sent['eventTypes']) === '["created","updated"]' &&
    /^[0-9a-f-]{36}$/.test(String(sent['id']));

  it('gives the id that Genesys answers', async () => {
    nock(BASE, authorized).post('/api/v2/events/subscriptions', body).reply(201, { id: 'sub-1' });
    expect(await createEventSource(client(), options).subscribe()).toBe('sub-1');
  });

  it('is refused when another one has the name', async () => {
    nock(BASE).post('/api/v2/events/subscriptions').reply(409, {});
    const error = await failureOf(createEventSource(client(), options).subscribe());
    expect(error).toMatchObject({ code: 'genesys_refused', kind: 'reject', status: 409 });
    expect((error as Error).message).toContain('EVENT_SUBSCRIPTION_ID');
  });

  it('of one of several readers is named after it and has the same id after a restart', async () => {
    const names = 'high-priority-interactions-reader-';
    const ids: string[] = [];
    const named = (name: string) => (body: Record<string, unknown>) =>
      body['name'] === name && ids.push(String(body['id'])) > 0;
    const subscribe = (readerName: string) =>
      createEventSource(client(), { ...options, readerName }).subscribe();

    nock(BASE, authorized)
      .post('/api/v2/events/subscriptions', named(`${names}0`))
      .reply(201, { id: 'x' });
    expect(await subscribe('reader-0')).toBe('x');
    nock(BASE)
      .post('/api/v2/events/subscriptions', named(`${names}0`))
      .reply(409, {});
    const again = await subscribe('reader-0');
    expect(new Set(ids)).toEqual(new Set([again]));
    nock(BASE)
      .post('/api/v2/events/subscriptions', named(`${names}1`))
      .reply(409, {});
    expect(await subscribe('reader-1')).not.toBe(again);
  });

  it('knows its own id when a repeat finds it there', async () => {
    const ids: unknown[] = [];
    const keep = (sent: Record<string, unknown>) =>
      typeof sent['id'] === 'string' && ids.push(sent['id']) > 0;
    nock(BASE).post('/api/v2/events/subscriptions', keep).reply(503, {});
    nock(BASE).post('/api/v2/events/subscriptions', keep).reply(409, {});

    const id = await createEventSource(client(), options).subscribe();

    expect(new Set(ids)).toEqual(new Set([id]));
  });
});

describe('refusals', () => {
  it.each([
    [400, 'genesys_refused', 'reject'],
    [409, 'genesys_refused', 'reject'],
    [413, 'genesys_refused', 'reject'],
    [415, 'genesys_refused', 'reject'],
    [422, 'genesys_refused', 'reject'],
    [404, 'genesys_not_found', 'reject'],
    [403, 'genesys_forbidden', 'systemic'],
    [401, 'genesys_credentials_refused', 'systemic'],
  ] as const)('%i is %s (%s), with the words of Genesys', async (status, code, kind) => {
    nock(BASE)
      .post('/oauth/token')
      .times(2)
      .optionally()
      .reply(200, { access_token: 'the-token', expires_in: 3600 });
    nock(BASE)
      .post('/api/v2/customattributes/batch')
      .times(status === 401 ? 2 : 1)
      .reply(
        status,
        { message: 'It is like this', code: 'some.code', status, contextId: 'ctx-1', errors: [] },
        status === 403 ? {} : { 'ININ-Correlation-Id': 'corr-1' },
      );

    const writer = createAttributeWriter(genesysClient(BASE).client);
    const error = (await failureOf(
      writer.upsert([{ id: 'T1', attributes: new Map() }]),
    )) as UpstreamError;

    expect(error).toMatchObject({
      name: 'UpstreamError',
      service: 'genesys',
      code,
      kind,
      status,
      tries: 1,
      correlationId: status === 403 ? 'ctx-1' : 'corr-1',
      details: { operation: 'write_attributes', genesysCode: 'some.code' },
    });
    expect(error.message).toContain('some.code: It is like this');
    expect(error.message).toContain('POST /api/v2/customattributes/batch');
  });

  it.each([
    [{ messageParams: { permissions: 'customattributes:admin' } }, 'customattributes:admin'],
    [
      { message: 'You are missing the following permission(s): customAttributes:edit' },
      'customAttributes:edit',
    ],
    [{}, 'customattributes:write'],
  ])('403 names what is missing and where to grant it: %j', async (body, missing) => {
    nock(BASE).post('/api/v2/customattributes/batch').reply(403, body);

    const error = (await failureOf(
      createAttributeWriter(client()).upsert([{ id: 'T1', attributes: new Map() }]),
    )) as UpstreamError;

    expect(error.missingPermission).toBe(missing);
    expect(error.message).toContain(missing);
    expect(error.message).toContain('customattributes:write');
    expect(error.message).toContain('Admin > Integrations > OAuth');
    expect(error.message).toContain('GENESYS_CLIENT_ID');
  });
});

describe('answers of another shape are bad answers', () => {
  const answers: [string, unknown, string][] = [
    ['definitions', { entities: 'none' }, 'entities is a string instead of a list'],
    ['definitions', { pageCount: 1 }, 'entities is missing'],
    ['definitions', { entities: [null] }, 'entities[0] is null'],
    ['definitions', { entities: [{ name: 'a', type: 'list' }] }, 'entities[0].type'],
    ['definitions', { entities: [{ name: '', type: 'date' }] }, 'entities[0].name is empty'],
    [
      'definitions',
      { entities: [{ name: 'a', type: 'date', validationRules: [{ type: 'range', min: '1' }] }] },
      'entities[0].validationRules[0].min is a string instead of a number',
    ],
    ['definitions', { entities: [], nextUri: '/x?pageNumber=abc' }, 'nextUri'],
    ['parent', [], 'the group is a list'],
    ['parent', { parentId: 7 }, 'parentId is a number'],
    ['permissions', { entities: [] }, 'the answer is an object instead of a list'],
    ['permissions', [{ value: true }], '[0].permissionId is missing'],
    ['permissions', [{ permissionId: 'a', value: 'yes' }], '[0].value is a string'],
    ['conversations', {}, 'page is missing'],
    ['conversations', { page: [1] }, 'page[0] is a number'],
    ['conversations', { page: [{ customAttributes: 'x' }] }, 'page[0].customAttributes'],
    ['conversations', { page: [], nextPageToken: 5 }, 'nextPageToken is a number'],
    ['write', [], 'the answer is a list'],
    ['write', { results: {} }, 'results is an object instead of a list'],
    ['write', { results: [{ status: 200 }] }, 'results[0].id is missing'],
    ['define', {}, 'id is missing'],
    ['subscribe', { id: 5 }, 'id is a number'],
  ];

  it.each(answers)('%s %j', async (what, body, problem) => {
    nock(BASE).persist().get(/.*/).reply(200, JSON.stringify(body));
    nock(BASE)
      .persist()
      .post(/^\/api\//)
      .reply(200, JSON.stringify(body));
    const genesys = client();
    const calls: Record<string, () => Promise<unknown>> = {
      definitions: () => createAttributeDefinitions(genesys).ofUnit('acme'),
      parent: () => createOrganisationUnits(genesys).parentOf('acme'),
      permissions: () => createPermissions(genesys).effective(),
      conversations: () =>
        collect(
          createConversations(genesys, { maxPages: 9 }).pages({ from: new Date(), to: new Date() }),
        ),
      write: () => createAttributeWriter(genesys).upsert([{ id: 'T1', attributes: new Map() }]),
      define: () =>
        createAttributeDefinitions(genesys).define({
          name: 'a',
          type: 'date',
          validationRules: [],
        }),
      subscribe: () =>
        createEventSource(genesys, { livenessMs: 1000, maxLineBytes: 1000 }).subscribe(),
    };

    const error = (await failureOf(calls[what]?.() ?? Promise.resolve())) as UpstreamError;

    nock.cleanAll();
    expect(error).toMatchObject({ code: 'genesys_bad_answer', kind: 'retry' });
    expect(error.message).toContain(problem);
  });
});
