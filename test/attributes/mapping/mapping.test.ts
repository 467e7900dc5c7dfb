import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseMapping } from '../../../src/attributes/mapping/mapping-file.ts';

const LIMITS = { timeoutMs: 1000, maxDepth: 200, maxSequence: 10_000 };
const parse = (document: unknown) => parseMapping(JSON.stringify(document), LIMITS);

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
