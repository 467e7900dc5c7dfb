import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileEventSchema } from '../../../src/events/pipeline/event-schema.ts';

/** A schema of `detail` alone. */
function ofDetail(detail: unknown, $schema?: string) {
  return {
    ...($schema === undefined ? {} : { $schema }),
    type: 'object',
    properties: { detail },
  };
}

function isValidUnder(schema: unknown, detail: unknown): boolean {
  return compileEventSchema(schema).issues({ detail }).length === 0;
}

const names = {
  '2020-12': 'json-schema.org/draft/2020-12/schema',
  '2019-09': 'json-schema.org/draft/2019-09/schema',
  'draft-07': 'json-schema.org/draft-07/schema',
  'draft-06': 'json-schema.org/draft-06/schema',
  'draft-04': 'json-schema.org/draft-04/schema',
};

describe.each(Object.entries(names))('%s', (dialect, name) => {
  test.each(['http', 'https'])('is known with and without # under %s', (scheme) => {
    for (const end of ['', '#']) {
      const schema = compileEventSchema(ofDetail({ type: 'string' }, `${scheme}://${name}${end}`));
      expect(schema.issues({ detail: 'x' })).toHaveLength(0);
      expect(schema.issues({ detail: 1 })).toMatchObject([{ path: '/detail', keyword: 'type' }]);
    }
  });

  test('has union types, schemas without a type, and tuples', () => {
    const at = (schema: unknown) => ofDetail(schema, `https://${name}`);
    const union = at({ type: ['number', 'string'] });
    expect([1, 'x', true].map((value) => isValidUnder(union, value))).toStrictEqual([
      true,
      true,
      false,
    ]);
    const typeless = at({ properties: { a: { minimum: 2 } }, required: ['a'] });
    expect(isValidUnder(typeless, { a: 2 })).toBe(true);
    expect(isValidUnder(typeless, { a: 1 })).toBe(false);
    const items = [{ type: 'number' }, { type: 'string' }];
    const tuple = at(dialect === '2020-12' ? { prefixItems: items } : { items });
    expect(isValidUnder(tuple, [1, 'x', true])).toBe(true);
    expect(isValidUnder(tuple, ['x'])).toBe(false);
  });

  test('names the keyword that was probably meant', () => {
    for (const [wrong, right] of [
      ['propertes', 'properties'],
      ['tpye', 'type'],
      ['requird', 'required'],
      ['maxlength', 'maxLength'],
    ] as const) {
      const schema = ofDetail({ [wrong]: 1 }, `http://${name}`);
      expect(() => compileEventSchema(schema)).toThrow(`"${wrong}"; is "${right}" meant?`);
    }
    expect(() => compileEventSchema(ofDetail({ colour: 1 }, `http://${name}`))).toThrow(
      /unknown keyword "colour"$/,
    );
    expect(isValidUnder(ofDetail({ 'x-owner': 'team a' }, `http://${name}`), 1)).toBe(true);
  });
});

test('without $schema a list of item schemas is a tuple', () => {
  const schema = ofDetail({ type: 'array', items: [{ type: 'number' }], additionalItems: false });
  expect(isValidUnder(schema, [1])).toBe(true);
  expect(isValidUnder(schema, [1, 2])).toBe(false);
});

test.each(['2020-12', '2019-09'] as const)('$anchor of %s', (dialect) => {
  const schema = {
    $schema: `https://${names[dialect]}`,
    properties: { detail: { $ref: '#money' } },
    $defs: { money: { $anchor: 'money', type: 'number' } },
  };
  expect(isValidUnder(schema, 1)).toBe(true);
  expect(isValidUnder(schema, 'x')).toBe(false);
});

test.each(['https://example.com/dialect', 'http://json-schema.org/draft-03/schema#', 7, null])(
  'an unknown dialect is told with the known ones: %j',
  ($schema) => {
    const message = /unknown dialect.*2020-12.*2019-09.*draft-07.*draft-06.*draft-04/;
    expect(() => compileEventSchema({ $schema, type: 'object' })).toThrow(message);
  },
);

test('an unknown format is reported with the known ones', () => {
  expect(() => compileEventSchema({ format: 'date-tme' })).toThrow('is "date-time" meant?');
  expect(() => compileEventSchema({ format: 'colour' })).toThrow(/known are .*idn-email.*uuid/);
});

test.each([
  ['date-time', '2026-03-01T12:00:00Z', '2026-03-01'],
  ['date', '2026-02-28', '2026-02-30'],
  ['time', '12:00:00Z', '12:00'],
  ['duration', 'P1D', '1 day'],
  ['email', 'a@b.example', 'a'],
  ['idn-email', 'jörg.müller@bücher.example', 'jörg@'],
  ['idn-email', '用户@例子.测试', 'a b@例子.测试'],
  ['hostname', 'a.example', '-a'],
  ['idn-hostname', 'bücher.example', 'bücher..example'],
  ['idn-hostname', 'a.example', 'a/b'],
  ['ipv4', '127.0.0.1', '127.0.0'],
  ['ipv6', '::1', ':'],
  ['uri', 'https://a.example/x?y#z', '/x'],
  ['uri-reference', '/x', '\\x'],
  ['iri', 'https://bücher.example/grüße', 'grüße'],
  ['iri-reference', '/grüße', '\\grüße'],
  ['uuid', '0196f0a0-1111-7222-8333-944444444444', '0196f0a0'],
  ['uri-template', '/x/{id}', '/x/{'],
  ['json-pointer', '/a/0', 'a'],
  ['relative-json-pointer', '1/a', '/a'],
  ['regex', '^a+$', '('],
])('format %s', (format, good, bad) => {
  const schema = ofDetail({ type: 'string', format });
  expect(isValidUnder(schema, good)).toBe(true);
  expect(isValidUnder(schema, bad)).toBe(false);
});

describe('multipleOf', () => {
  test.each([
    [0.1, 0.3, true],
    [0.1, 1.1, true],
    [0.01, 19.99, true],
    [0.01, 1.005, false],
    [0.1, 0.25, false],
    [1e-8, 12_391_239.1, true],
    [0.000_000_1, 1e300, true],
    [1e300, 1e-300, false],
    [3, 9, true],
    [3, -10, false],
    [2.5, 0, true],
  ])('of %d: %d is %s', (multipleOf, value, expected) => {
    const schema = compileEventSchema(ofDetail({ type: 'number', multipleOf }));
    const issues = schema.issues({ detail: value });
    expect(issues).toStrictEqual(
      expected
        ? []
        : [
            {
              path: '/detail',
              keyword: 'multipleOf',
              message: `must be multiple of ${multipleOf}`,
            },
          ],
    );
  });

  test('is right for all decimals', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -100_000, max: 100_000 }),
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 0, max: 6 }),
        (value, step, places) => {
          const decimal = (digits: number) => Number(`${digits}e-${places}`);
          const schema = ofDetail({ multipleOf: decimal(step) });
          expect(isValidUnder(schema, decimal(value))).toBe(value % step === 0);
        },
      ),
    );
  });
});
