import { describe, expect, test } from 'vitest';
import { compileRegisteredSchema } from '../../../src/events/pipeline/registered-schema.ts';

const transformed = {
  id: '0196f0a0-1111-7222-8333-944444444444',
  source: 'genesys.cloud',
  'detail-type': 'interaction.event',
  time: '2026-03-01T12:00:00Z',
  resources: [],
  detail: { interactionId: 'i-1', type: 'voice', priority: 'high', seconds: 12, note: null },
};

/** As the registry's discovery makes them. */
function openApi(detail: object, more: object = {}) {
  return {
    type: 'OpenApi3',
    content: JSON.stringify({
      openapi: '3.0.0',
      info: { version: '1.0.0', title: 'InteractionEvent' },
      paths: {},
      components: {
        schemas: {
          AWSEvent: {
            type: 'object',
            required: ['detail-type', 'resources', 'detail', 'id', 'source', 'time', 'region'],
            'x-amazon-events-detail-type': 'interaction.event',
            'x-amazon-events-source': 'genesys.cloud',
            properties: {
              detail: { $ref: '#/components/schemas/Interaction' },
              account: { type: 'string' },
            },
          },
          Interaction: { type: 'object', ...detail },
          ...more,
        },
      },
    }),
  } as const;
}

function draft4(root: object) {
  const $schema = 'http://json-schema.org/draft-04/schema#';
  return { type: 'JSONSchemaDraft4', content: JSON.stringify({ $schema, ...root }) } as const;
}

function keywordsOf(issues: readonly { path: string; keyword: string }[]) {
  return issues.map(({ path, keyword }) => `${path} ${keyword}`);
}

describe('OpenApi3', () => {
  test('checks the detail, not what the bus adds', () => {
    const schema = compileRegisteredSchema(
      openApi({ required: ['type', 'absent'], properties: { type: { enum: ['chat'] } } }),
    );
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual([
      '/detail required',
      '/detail/type enum',
    ]);
    const { detail: _, ...rest } = transformed;
    expect(keywordsOf(schema.issues(rest))).toStrictEqual(['/detail type']);
  });

  test('nullable, examples and booleans of draft-04 are understood', () => {
    const schema = compileRegisteredSchema(
      openApi(
        {
          properties: {
            note: { type: 'string', nullable: true, example: 'x', enum: ['a', null] },
            seconds: { type: 'integer', format: 'int64', minimum: 12, exclusiveMinimum: true },
            priority: { allOf: [{ $ref: '#/components/schemas/Priority' }], nullable: true },
            example: { type: 'string' },
          },
          discriminator: { propertyName: 'type' },
          'x-note': { type: 1 },
        },
        { Priority: { type: 'string', enum: ['high', 'low'] } },
      ),
    );
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/detail/seconds minimum']);
    const detail = { ...transformed.detail, seconds: 13, example: 5, priority: 'medium' };
    expect(keywordsOf(schema.issues({ ...transformed, detail }))).toContain('/detail/example type');
    expect(keywordsOf(schema.issues({ ...transformed, detail }))).toContain(
      '/detail/priority enum',
    );
  });

  test('a component can be named', () => {
    const registered = openApi({}, { 'My/Detail': { type: 'object', required: ['absent'] } });
    expect(compileRegisteredSchema(registered).issues(transformed)).toHaveLength(0);
    const schema = compileRegisteredSchema(registered, 'My/Detail');
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/detail required']);
    expect(() => compileRegisteredSchema(registered, 'constructor')).toThrow(
      /no component "constructor"; it has AWSEvent, Interaction, My\/Detail/,
    );
  });

  test('without AWSEvent the only component describes the detail, several are ambiguous', () => {
    const content = (schemas: object) =>
      ({ type: 'OpenApi3', content: JSON.stringify({ components: { schemas } }) }) as const;
    const only = compileRegisteredSchema(
      content({ One: { type: 'object', required: ['absent'] } }),
    );
    expect(only.issues(transformed)).toHaveLength(1);
    expect(() => compileRegisteredSchema(content({ One: {}, Two: {} }))).toThrow(/has One, Two/);
  });
});

describe('JSONSchemaDraft4', () => {
  test('a discovered one checks the detail', () => {
    const schema = compileRegisteredSchema(
      draft4({
        type: 'object',
        required: ['account', 'detail'],
        properties: { detail: { $ref: '#/definitions/Detail' } },
        definitions: { Detail: { type: 'object', required: ['absent'] } },
      }),
    );
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/detail required']);
  });

  test('a hand-made one of the whole event checks the whole event', () => {
    const schema = compileRegisteredSchema(
      draft4({
        required: ['source', 'detail'],
        properties: { source: { enum: ['other'] }, detail: { type: 'object' } },
      }),
    );
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/source enum']);
  });

  test('one without a detail describes the detail', () => {
    const schema = compileRegisteredSchema(draft4({ required: ['absent'] }));
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/detail required']);
  });

  test('formats count, unknown keywords do not', () => {
    const schema = compileRegisteredSchema(
      draft4({ unknown: 1, properties: { type: { format: 'uuid' }, priority: { format: 'x' } } }),
    );
    expect(keywordsOf(schema.issues(transformed))).toStrictEqual(['/detail/type format']);
  });
});

test.each([
  ['no JSON', '{', /not JSON/],
  ['no object', '[]', /not a JSON object/],
  ['no schema', '{"type": 5}', /cannot be used/],
  ['a reference to elsewhere', '{"$ref": "https://example.com/x.json"}', /reference/],
  ['a back-tracking pattern', '{"pattern": "(a)\\\\1"}', /linear time/],
])('unusable content: %s', (_, content, reason) => {
  expect(() => compileRegisteredSchema({ type: 'JSONSchemaDraft4', content })).toThrow(reason);
});
