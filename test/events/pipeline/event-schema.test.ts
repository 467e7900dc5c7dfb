import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { compileEventSchema } from '../../../src/events/pipeline/event-schema.ts';

const builtIn = JSON.parse(await readFile('config/event-schema.json', 'utf8')) as unknown;

describe('a schema of the whole event', () => {
  test('several patterns do not mix', () => {
    const schema = compileEventSchema({
      type: 'object',
      properties: {
        a: { type: 'string', pattern: '^a+$' },
        b: { type: 'string', pattern: '^b+$' },
      },
      patternProperties: { '^c': { type: 'number' }, '^d': { type: 'boolean' } },
    });
    expect(schema.issues({ a: 'aa', b: 'bb', c1: 1, d1: true })).toHaveLength(0);
    const found = schema.issues({ a: 'bb', b: 'aa', c1: true, d1: 1 });
    expect(found.map(({ path, keyword }) => `${path} ${keyword}`)).toStrictEqual([
      '/a pattern',
      '/b pattern',
      '/c1 type',
      '/d1 type',
    ]);
  });

  test('the built-in one says everything that is wrong', () => {
    const issues = compileEventSchema(builtIn).issues({
      id: 'no uuid',
      source: 'genesys.cloud.eu',
      'detail-type': 'interaction',
      time: 'no time',
      resources: [],
      detail: {},
    });
    expect(issues.map(({ path, keyword }) => `${path} ${keyword}`)).toStrictEqual([
      '/id format',
      '/source pattern',
      '/detail-type pattern',
      '/time format',
      '/resources minItems',
      '/detail required',
      '/detail required',
      '/detail required',
      '/detail required',
    ]);
  });

  test.each([
    'https://json-schema.org/draft/2020-12/schema',
    'https://json-schema.org/draft/2019-09/schema',
    'http://json-schema.org/draft-07/schema#',
    'http://json-schema.org/draft-04/schema#',
  ])('may be written in %s', ($schema) => {
    const schema = compileEventSchema({
      $schema,
      type: 'object',
      properties: { source: { type: 'string', format: 'uuid' } },
    });
    expect(schema.issues({ source: 'x' })).toMatchObject([{ path: '/source', keyword: 'format' }]);
  });

  test('says what is allowed and what is too much', () => {
    const schema = compileEventSchema({
      type: 'object',
      properties: { source: { enum: ['a', 'b'] } },
      additionalProperties: false,
    });
    expect(schema.issues({ source: 'c', more: 1 })).toStrictEqual([
      {
        path: '',
        keyword: 'additionalProperties',
        message: 'must NOT have additional properties ("more")',
      },
      {
        path: '/source',
        keyword: 'enum',
        message: 'must be equal to one of the allowed values: ["a","b"]',
      },
    ]);
  });

  test('a value too deep for a recursive schema is an issue, not a crash', () => {
    const schema = compileEventSchema({
      $ref: '#/$defs/node',
      $defs: { node: { type: 'object', properties: { a: { $ref: '#/$defs/node' } } } },
    });
    const deep = JSON.parse(`${'{"a":'.repeat(100_000)}{}${'}'.repeat(100_000)}`) as object;
    expect(schema.issues({ ...deep })).toMatchObject([{ keyword: 'failed' }]);
  });

  test('thousands of issues are cut', () => {
    const schema = compileEventSchema({
      type: 'object',
      properties: { list: { type: 'array', items: { type: 'string' } } },
    });
    expect(schema.issues({ list: Array.from({ length: 5000 }, () => 1) })).toHaveLength(50);
  });
});

test('patterns are those of every other place', () => {
  const schema = compileEventSchema({ properties: { a: { pattern: '^\\s.{1,2000}$' } } });
  expect(schema.issues({ a: `\u00a0${'x'.repeat(2000)}` })).toHaveLength(0);
  expect(schema.issues({ a: `\u00a0${'x'.repeat(2001)}` })).toHaveLength(1);
  expect(() => compileEventSchema({ properties: { a: { pattern: 'a\\z' } } })).toThrow(
    /"\\z" is no escape of ECMAScript; write \$.*character 2/,
  );
});

test.each([
  ['null', null],
  ['a list', []],
  ['a text', 'text'],
  ['no type', { type: 'objekt' }],
  ['an unknown keyword', { tpye: 'object' }],
  ['an unknown format', { type: 'string', format: 'colour' }],
  ['a remote reference', { $ref: 'https://example.com/schema.json' }],
  ['an asynchronous one', { $async: true, type: 'object' }],
  ['an unknown dialect', { $schema: 'https://example.com/dialect' }],
  ['a pattern with look-ahead', { type: 'string', pattern: '(?=a)' }],
])('is no usable schema: %s', (_, schema) => {
  expect(() => compileEventSchema(schema)).toThrow(ConfigError);
});
