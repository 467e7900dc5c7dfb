import fc from 'fast-check';
import { expect, test } from 'vitest';
import { startMapApp } from '../../support/map-app.ts';

const MAPPING = JSON.stringify({
  id: ['id'],
  attributes: {
    crm_ticket_id: { field: 'a.b', coerce: 'string' },
    crm_channel_source: 'c',
    crm_count: { field: 'd', coerce: 'number' },
  },
});

async function start() {
  const app = await startMapApp({ mapping: MAPPING });
  app.sandbox.organisation.addDefinition({ name: 'crm_count', type: 'number' });
  return app;
}

type App = Awaited<ReturnType<typeof start>>;

async function post(app: App, records: readonly string[]) {
  const answer = await fetch(`${app.url}/map`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: `{"orgId":"acme","records":[${records.join(',')}]}`,
  });
  return (await answer.json()) as { rejected: { id: string; errors: unknown[] }[] };
}

const stored = (app: App, id: string) => app.sandbox.records.stored.get(id)?.entity;

test('text of the same digits where text is wanted, also as an id; by JSON and by NDJSON', async () => {
  const app = await start();
  const long = fc
    .tuple(fc.bigInt({ min: 10n ** 18n, max: 10n ** 30n }), fc.constantFrom('', '-'))
    .map(([value, sign]) => `${sign}${value}7`);
  const samples = fc.sample(long, 20);
  const records = samples.map((one) => `{"id":${one},"a":{"b":${one}}}`);
  expect(await post(app, records)).toMatchObject({ rejected: [] });
  await app.stream(`{"id":"N1","a":{"b":1161888007138312192}}`);
  for (const one of samples) {
    expect(stored(app, one)).toMatchObject({ crm_ticket_id: one });
  }
  expect(stored(app, 'N1')).toMatchObject({ crm_ticket_id: '1161888007138312192' });
});

test('everywhere else the record is rejected with attribute and digits, its neighbours are written', async () => {
  const app = await start();
  const records = [
    '{"id":"R1","c":"x"}',
    '{"id":"R2","c":1161888007138312192}',
    '{"id":"R3","d":0.123456789012345678}',
    '{"id":"R4","d":"9007199254740993"}',
    '{"id":"R5","d":1e400}',
    '{"id":"R6","d":"12.50"}',
  ];
  const error = (attribute: string, digits: string) => ({
    attribute,
    rule: 'exactNumber',
    message: expect.stringContaining(` ${digits},`) as string,
  });
  const rejected = [
    { id: 'R2', errors: [error('crm_channel_source', '1161888007138312192')] },
    { id: 'R3', errors: [error('crm_count', '0.123456789012345678')] },
    { id: 'R4', errors: [error('crm_count', '9007199254740993')] },
    { id: 'R5', errors: [error('crm_count', '1e400')] },
  ];
  expect((await post(app, records)).rejected).toMatchObject(rejected);
  const lines = await app.stream(records.join('\n'));
  expect(lines.flatMap((line) => line['rejected'] ?? [])).toMatchObject(rejected);
  expect(stored(app, 'R1')).toMatchObject({ crm_channel_source: 'x' });
  expect(stored(app, 'R6')).toMatchObject({ crm_count: 12.5 });
});
