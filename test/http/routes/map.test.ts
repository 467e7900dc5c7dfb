import { describe, expect, test } from 'vitest';
import { startMapApp, tickets } from '../../support/map-app.ts';

describe('POST /map writes records', () => {
  test('all good: 200, everything written once, every list empty', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post(tickets(3));

    expect(status).toBe(200);
    expect(body).toMatchObject({
      success: true,
      processed: 3,
      rejected: [],
      failed: [],
      superseded: [],
      unchanged: 0,
      skippedAttributes: [],
      warnings: [],
    });
    expect(body.allowedAttributes).toContain('crm_ticket_priority');
    expect(body.allowedAttributes.length).toBe(147);
    expect(app.sandbox.records.stored.get('T3')?.entity).toEqual({
      id: 'T3',
      crm_ticket_id: 'T3',
      crm_ticket_priority: 'high',
      crm_channel_source: 'web',
    });
    expect(app.writes()).toBe(1);
  });

  test('bad records are rejected with every reason, good ones are written: 207', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post([
      { ticketId: 'T1', priority: 'urgent', sourceChannel: 5 },
      { id: 'T2', priority: 'high' },
    ]);

    expect(status).toBe(207);
    expect(body.processed).toBe(1);
    expect(body.written).toEqual([{ index: 1, id: 'T2' }]);
    expect(body.rejected).toEqual([
      {
        index: 0,
        id: 'T1',
        errors: [
          {
            attribute: 'crm_ticket_priority',
            rule: 'regex',
            message: 'does not match the pattern ^(low|medium|high|critical)$',
          },
          {
            attribute: 'crm_channel_source',
            rule: 'type',
            message: 'must be a string, and is a number',
          },
        ],
      },
    ]);
    expect([...app.sandbox.records.stored.keys()]).toEqual(['T2']);
  });

  test.each([
    ['null', null, 'object'],
    ['a list', [], 'object'],
    ['a text', 'T1', 'object'],
    ['no id', { priority: 'high' }, 'required'],
    ['an empty id', { ticketId: '', id: '' }, 'required'],
    ['an object as id', { ticketId: { $ne: 1 } }, 'id,type'],
    ['an endless id', { ticketId: 'x'.repeat(300) }, 'id'],
    ['a control character in the id', { ticketId: 'T\n1' }, 'id'],
    ['half a character in the id', { ticketId: 'T\ud800' }, 'id,type'],
    ['half a character in a value', { ticketId: 'T1', sourceChannel: '\udc00' }, 'type'],
    ['a field of 1 MB', { ticketId: 'T1', sourceChannel: 'x'.repeat(1_048_576) }, 'size'],
    ['nothing that is allowed', { id: 'T1', colour: 'red' }, 'empty'],
  ])('a record that is or has %s is rejected: 400', async (_name, record, rule) => {
    const app = await startMapApp();

    const { status, body } = await app.post([record]);

    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'no_valid_record', success: false, processed: 0 });
    expect(body.rejected.map(({ errors }) => errors.map((error) => error.rule))).toEqual([
      rule.split(','),
    ]);
    expect(JSON.stringify(body)).not.toContain('xxxxxxxxxx');
    expect(app.writes()).toBe(0);
  });

  test('a body with __proto__ is refused, and nothing is polluted', async () => {
    const app = await startMapApp();

    const response = await fetch(`${app.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"orgId":"acme","records":[{"ticketId":"T1","__proto__":{"polluted":true}}]}',
    });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'json_forbidden_key' });
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
    expect(app.writes()).toBe(0);
  });

  test('unicode at every edge arrives as it was sent', async () => {
    const app = await startMapApp();
    const records = ['é', '日本語', '👩‍👩‍👧', '\u2028', 'a\u0000b', '"\\'].map((text, index) => ({
      ticketId: `T-${index}-ü👍`,
      sourceChannel: text,
    }));

    const { status } = await app.post(records);

    expect(status).toBe(200);
    for (const { ticketId, sourceChannel } of records) {
      expect(app.sandbox.records.stored.get(ticketId)?.entity['crm_channel_source']).toBe(
        sourceChannel,
      );
    }
  });

  test('attributes that are defined nowhere are left out and reported', async () => {
    const mapping = JSON.stringify({ attributes: { crm_ticket_id: 'ticketId', unheard_of: 'x' } });
    const app = await startMapApp({ mapping });

    const { status, body } = await app.post([{ ticketId: 'T1', x: 1 }, { ticketId: 'T2' }]);

    expect(status).toBe(200);
    expect(body.skippedAttributes).toEqual([{ attribute: 'unheard_of', records: 1 }]);
    expect(app.sandbox.records.stored.get('T1')?.entity).toEqual({ id: 'T1', crm_ticket_id: 'T1' });
  });

  test('the last record of an id wins, the earlier one is reported', async () => {
    const app = await startMapApp({ batchSize: 2 });

    const { status, body } = await app.post([
      { ticketId: 'T1', priority: 'low' },
      ...tickets(5, 2),
      { ticketId: 'T1', priority: 'high' },
    ]);

    expect(status).toBe(200);
    expect(body).toMatchObject({ processed: 6, superseded: [{ index: 0, id: 'T1', by: 6 }] });
    expect(app.sandbox.records.stored.get('T1')).toMatchObject({
      writes: 1,
      entity: { crm_ticket_priority: 'high' },
    });
  });

  test('a field that no mapping reads is named once, with the one that was meant', async () => {
    const app = await startMapApp();
    const records = [
      { ticketId: 'T1', Prioritty: 'high' },
      { ticketId: 'T2', Prioritty: 'low', sourceChannel: 'web', colour: 'red' },
    ];

    const { status, body } = await app.post(records);
    expect(status).toBe(200);
    expect(body['unmappedFields']).toEqual([
      { field: 'Prioritty', nearest: 'priority' },
      { field: 'colour' },
    ]);
    expect(body.warnings).toEqual([
      'No mapping reads the field "Prioritty"; is "priority" meant?',
      'No mapping reads the field "colour"',
    ]);
    const strict = await app.post(records, '?mode=strict');
    expect(strict).toMatchObject({
      status: 400,
      body: { code: 'unmapped_fields', failed: [{ code: 'strict_mode' }, { attempted: false }] },
    });
    expect(app.writes()).toBe(1);
    const [summary] = (
      await app.stream(records.map((one) => JSON.stringify(one)).join('\n'))
    ).slice(-1);
    expect(summary?.['summary']).toMatchObject({
      success: true,
      unmappedFields: body['unmappedFields'],
      warnings: body.warnings,
    });
    // What callers call their fields may be a customer's data.
    expect(app.log()).not.toContain('Prioritty');
  });

  test('fields that no mapping reads are bounded in number and length', async () => {
    const app = await startMapApp();
    const wide = Object.fromEntries(
      Array.from({ length: 300 }, (_, i) => ['x'.repeat(500).slice(i), i]),
    );
    const { body } = await app.post([
      {
        ...tickets(1)[0],
        ...wide,
        ...Object.fromEntries(Array.from({ length: 300 }, (_, i) => [`f${i}`, i])),
      },
    ]);
    expect(body['unmappedFields']).toHaveLength(100);
    expect(body.warnings).toHaveLength(101);
    expect(JSON.stringify(body).length).toBeLessThan(30_000);
  });

  test('an organisation without definitions and parent: a warning, and with mode=strict a code', async () => {
    const app = await startMapApp();
    // What is no unit's child has the definitions of the whole sandbox; its own child has none.
    app.sandbox.organisation.addGroup({ id: 'lost', name: 'Lost', parentId: 'lost' });
    const warning = expect.stringContaining('lost has no definitions and no parent') as unknown;

    const lenient = await app.post(tickets(1), '', 'lost');
    expect(lenient).toMatchObject({ status: 400, body: { code: 'no_valid_record' } });
    expect(lenient.body.warnings).toContainEqual(warning);
    const strict = await app.post(tickets(1), '?mode=strict', 'lost');
    expect(strict).toMatchObject({
      status: 400,
      body: { code: 'organisation_without_definitions', processed: 0 },
    });
  });

  test('mode=strict: one bad record and nothing is written', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post([...tickets(2), null], '?mode=strict');

    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'strict_mode_rejected', processed: 0, written: [] });
    expect(body.rejected).toHaveLength(1);
    expect(body.failed.map(({ index, code, attempted }) => ({ index, code, attempted }))).toEqual([
      { index: 0, code: 'strict_mode', attempted: false },
      { index: 1, code: 'strict_mode', attempted: false },
    ]);
    expect(app.writes()).toBe(0);
    expect((await app.post(tickets(2), '?mode=strict')).status).toBe(200);
  });

  test('dryRun=true does all but write', async () => {
    const app = await startMapApp();

    const { status, body } = await app.post([...tickets(2), null], '?dryRun=true');

    expect(status).toBe(207);
    expect(body).toMatchObject({ dryRun: true, processed: 2, written: [] });
    expect(app.writes()).toBe(0);
  });

  test('hundreds of small requests at once ask for permission and definitions once', async () => {
    const app = await startMapApp();

    const answers = await Promise.all(
      Array.from({ length: 300 }, (_, index) => app.post(tickets(1, index), '', 'acme-emea')),
    );

    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    const { requests } = app.sandbox;
    expect(requests.count('genesys.permissions')).toBe(1);
    // acme-emea has one page, acme has two.
    expect(requests.count('genesys.customattributes.list')).toBe(3);
    expect(requests.count('genesys.groups.get')).toBe(2);
    await app.post(tickets(1), '', 'acme-amer');
    expect(requests.count('genesys.groups.get')).toBe(3);
  });
});

describe('POST /map refuses malformed requests', () => {
  test.each([
    ['no orgId', {}],
    ['an empty orgId', { orgId: '' }],
    ['an orgId with ../', { orgId: '../acme' }],
    ['an orgId with a slash', { orgId: 'acme/x' }],
    ['an orgId of 10 kB', { orgId: 'a'.repeat(10_240) }],
    ['records that are no list', { orgId: 'acme', records: { ticketId: 'T1' } }],
    ['no records', { orgId: 'acme', records: [] }],
    ['an unknown member', { orgId: 'acme', records: [{}], mode: 'strict' }],
  ])('%s: 400', async (_name, body) => {
    const app = await startMapApp();

    const response = await fetch(`${app.url}/map`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ records: [{ ticketId: 'T1' }], ...body }),
    });

    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({ code: 'invalid_body' });
    expect(app.sandbox.requests.count('genesys')).toBe(0);
  });

  test('an orgId in the query that differs from the body: 400', async () => {
    const app = await startMapApp();
    expect((await app.post(tickets(1), '?orgId=acme-emea')).status).toBe(400);
  });

  test('more records than allowed, or larger than allowed: 413 that points to NDJSON', async () => {
    const app = await startMapApp({ maxRecords: 2 });
    const more = await app.post(tickets(3));
    expect(more).toMatchObject({ status: 413, body: { code: 'body_too_large', maxItems: 2 } });
    expect(more.body['detail']).toMatch(/more than 2 items at \/records\..*application\/x-ndjson/);
    const larger = await app.post([{ ticketId: 'x'.repeat(3_000_000) }]);
    expect(larger).toMatchObject({ status: 413, body: { maxBytes: 2_097_152 } });
    expect(larger.body['detail']).toMatch(/larger than 2097152 bytes\..*application\/x-ndjson/);
    expect(app.writes()).toBe(0);
  });
});

describe('GET /attributes', () => {
  test('shows the effective definitions, the nearest one, each with its origin', async () => {
    const app = await startMapApp();

    const response = await fetch(`${app.url}/attributes?orgId=acme-emea-support`);

    expect(response.status).toBe(200);
    const body = (await response.json()) as { attributes: { name: string; origin: string }[] };
    expect(body).toMatchObject({ levels: ['acme-emea-support', 'acme-emea', 'acme'] });
    const origins = new Map(body.attributes.map(({ name, origin }) => [name, origin]));
    expect(origins.get('support_tier')).toBe('acme-emea-support');
    expect(origins.get('crm_case_region')).toBe('acme-emea');
    expect(origins.get('crm_survey_closed_date')).toBe('acme');
    expect(body.attributes).toHaveLength(3 + 4 + 144 - 1 + 3);
  });

  test.each(['', '?orgId=', '?orgId=..%2Facme', '?orgId=acme&x=1'])('%s: 400', async (query) => {
    const app = await startMapApp();
    expect((await fetch(`${app.url}/attributes${query}`)).status).toBe(400);
  });
});
