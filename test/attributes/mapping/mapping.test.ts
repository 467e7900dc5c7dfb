import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMapping } from '../../../src/attributes/mapping/mapping.ts';
import { runMappingExamples } from '../../../src/attributes/mapping/mapping-examples.ts';
import { ConfigError } from '../../../src/errors.ts';

const LIMITS = { timeoutMs: 1000, maxDepth: 200, maxSequence: 10_000 };
const parse = (document: unknown) => parseMapping(JSON.stringify(document), 'm.json', LIMITS);

async function mapped(document: unknown, record: unknown) {
  const mapping = parse(document);
  const { id, values, errors } = await mapping.map(record);
  const found = mapping.targets.map((name, index) => [name, values[index]] as const);
  return {
    id,
    errors,
    values: Object.fromEntries(found.filter(([, value]) => value !== undefined)),
  };
}

describe('mapping', () => {
  test('fields, dotted paths, list positions, and names that have the dots themselves', async () => {
    const { values } = await mapped(
      {
        attributes: {
          a: 'x',
          b: 'deep.er.value',
          c: 'list.1.sku',
          d: 'dotted.name',
          e: 'gone.too.far',
        },
      },
      {
        id: '1',
        x: 1,
        deep: { er: { value: 'v' } },
        list: [{}, { sku: 's' }],
        'dotted.name': 'whole',
        dotted: { name: 'part' },
        gone: null,
      },
    );
    expect(values).toEqual({ a: 1, b: 'v', c: 's', d: 'whole' });
  });

  test.each([null, 'text', [1], JSON.parse('{"__proto__": 1}') as unknown])(
    'what is no record has no values, also when all of them are expressions: %j',
    async (record) => {
      const mapping = parse({ attributes: { a: { expression: '1' } } });
      const { id, values, errors } = await mapping.map(record);
      expect([id, values]).toEqual([undefined, []]);
      expect(errors).toMatchObject([{ attribute: 'record', rule: 'object' }]);
    },
  );

  test('expressions see the record; what fails is an error without the record in it', async () => {
    const document = {
      attributes: {
        a: 'x',
        b: { expression: "first & ' ' & last" },
        c: { expression: '$number(secret)' },
      },
    };
    expect((await mapped(document, { id: '1', x: 1, first: 'A', last: 'B' })).values).toEqual({
      a: 1,
      b: 'A B',
    });
    const { errors, values } = await mapped(document, { id: '1', secret: 'hush' });
    expect(values).toEqual({ b: ' ' });
    expect(errors).toMatchObject([{ attribute: 'c', rule: 'expression' }]);
    expect(JSON.stringify(errors)).not.toContain('hush');
  });

  test.each([
    ['number', ' 42.5 ', 42.5],
    ['number', '-1e3', -1000],
    ['number', '0x10', '0x10'],
    ['number', 'Infinity', 'Infinity'],
    ['number', '', ''],
    ['number', true, true],
    ['boolean', 'TRUE', true],
    ['boolean', 'false', false],
    ['boolean', 'yes', 'yes'],
    ['boolean', 1, 1],
    ['string', 7, '7'],
    ['string', false, 'false'],
    [undefined, '42', '42'],
  ])('coerce %s: %j → %j', async (coerce, value, expected) => {
    const { values } = await mapped(
      { attributes: { a: { field: 'x', ...(coerce && { coerce }) } } },
      { id: '1', x: value },
    );
    expect(values).toEqual({ a: expected });
  });

  test('the id is the first field with a value; a whole number will do', async () => {
    const document = { id: ['ticketId', 'nested.id'], attributes: { a: 'a' } };
    expect((await mapped(document, { ticketId: null, nested: { id: 'N' } })).id).toBe('N');
    expect((await mapped(document, { ticketId: 1001 })).id).toBe('1001');
    expect((await mapped(document, { ticketId: 1.5 })).id).toBeUndefined();
    expect((await mapped({ attributes: { a: 'a' } }, { id: 'x' })).id).toBe('x');
  });

  test('inherited properties are no fields', async () => {
    const { values, id } = await mapped(
      { id: 'toString', attributes: { a: 'valueOf', b: 'x.hasOwnProperty' } },
      { x: {} },
    );
    expect(values).toEqual({});
    expect(id).toBeUndefined();
  });

  test('no record makes it throw', async () => {
    const mapping = parse({ attributes: { a: 'a.b', c: { expression: 'a.b' } } });
    await fc.assert(
      fc.asyncProperty(fc.anything(), async (record) => {
        const { id, errors } = await mapping.map(record);
        expect(id === undefined).toBe(errors.some(({ attribute }) => attribute !== 'c'));
      }),
    );
  });
});

describe('a mapping file that is wrong', () => {
  test.each([
    ['not JSON', '{\n  "attributes": {,}\n}', /m\.json: not JSON: .*line 2/],
    ['a list', [], /m\.json: the file: found a list/],
    [
      'an unknown key',
      { attribute: {}, attributes: { a: 'a' } },
      /m\.json: attribute: found an unknown key; allowed: .*attributes/,
    ],
    ['no attributes', {}, /attributes: found nothing; allowed: at least one/],
    ['no id fields', { id: [], attributes: { a: 'a' } }, /id: found an empty list/],
    ['a bad id field', { id: [5], attributes: { a: 'a' } }, /id\[0\]: found a number/],
    ['a target id', { attributes: { id: 'a' } }, /attributes\.id: .*letter/],
    ['a target with a space', { attributes: { 'a b': 'a' } }, /attributes\.a b: /],
    ['a bad path', { attributes: { a: 'x..y' } }, /attributes\.a\.field: .*dotted path/],
    ['a path into the prototype', { attributes: { a: '__proto__.x' } }, /attributes\.a\.field/],
    [
      'both field and expression',
      { attributes: { a: { field: 'x', expression: 'x' } } },
      /attributes\.a: found both/,
    ],
    ['neither', { attributes: { a: {} } }, /attributes\.a: found neither/],
    [
      'a broken expression',
      { attributes: { a: { expression: 'x.(' } } },
      /attributes\.a\.expression: found .*line 1/,
    ],
    [
      'a bad coerce',
      { attributes: { a: { field: 'x', coerce: 'date' } } },
      /attributes\.a\.coerce: .*number or boolean/,
    ],
    [
      'an unknown part',
      { attributes: { a: { field: 'x', default: 1 } } },
      /attributes\.a\.default: found an unknown key/,
    ],
  ])('%s: says file, key and what is allowed', (_name, document, message) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    expect(() => parseMapping(text, 'm.json', LIMITS)).toThrow(ConfigError);
    expect(() => parseMapping(text, 'm.json', LIMITS)).toThrow(message);
  });

  test('__proto__ as a target', () => {
    expect(() => parseMapping('{"attributes":{"__proto__":"a"}}', 'm.json', LIMITS)).toThrow(
      /__proto__/,
    );
  });

  test('all problems at once', () => {
    try {
      parse({ attributes: { id: 'a', b: 5, c: {} } });
    } catch (error) {
      expect((error as ConfigError).problems).toHaveLength(3);
      return;
    }
    throw new Error('It should have failed');
  });
});

describe('the examples beside a mapping', () => {
  test('those of the shipped mapping hold', async () => {
    const mapping = parseMapping(
      await readFile('config/crm-mapping.json', 'utf8'),
      'config/crm-mapping.json',
      LIMITS,
    );
    const results = await runMappingExamples(
      mapping,
      await readFile('config/crm-mapping.test.json', 'utf8'),
      't.json',
    );
    expect(results.length).toBeGreaterThan(1);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  });

  test('one that does not hold says what differs', async () => {
    const examples = [
      { name: 'n', record: { id: '1', x: 2 }, expected: { id: '2', attributes: { a: 1 } } },
    ];
    const [result] = await runMappingExamples(
      parse({ attributes: { a: 'x' } }),
      JSON.stringify(examples),
      't.json',
    );
    expect(result).toMatchObject({
      ok: false,
      problem: expect.stringMatching(/\{"a":2\}.*\{"a":1\}.*"1".*"2"/) as string,
    });
  });

  test.each(['{', '{}', '[{"name":"x"}]'])('a file that is none is refused: %s', async (text) => {
    await expect(
      runMappingExamples(parse({ attributes: { a: 'x' } }), text, 't.json'),
    ).rejects.toThrow(/t\.json/);
  });
});
