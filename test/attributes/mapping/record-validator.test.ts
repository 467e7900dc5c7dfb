import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileDefinition } from '../../../src/attributes/definitions/definition-check.ts';
import { isIsoDate } from '../../../src/attributes/definitions/iso-date.ts';
import { createValidation } from '../../../src/attributes/mapping/record-validator.ts';
import type { AttributeDefinition } from '../../../src/attributes/ports.ts';

function check(definition: Partial<AttributeDefinition>, value: unknown): string[] {
  return compileDefinition({ name: 'a', type: 'string', validationRules: [], ...definition }, 'org')
    .check(value)
    .map(({ rule }) => rule);
}

const rule = (type: string, facts: object = {}) => ({ validationRules: [{ type, ...facts }] });

describe('types', () => {
  test.each([
    ['string', 'x', true],
    ['string', '', true],
    ['string', 1, false],
    ['string', ['x'], false],
    ['string', '\ud800', false],
    ['number', 1.5, true],
    ['number', '1', false],
    ['number', Number.NaN, false],
    ['number', Infinity, false],
    ['boolean', false, true],
    ['boolean', 'false', false],
    ['boolean', 0, false],
    ['date', '2026-02-28', true],
    ['date', 1_700_000_000, false],
    ['date', 'tomorrow', false],
  ] as const)('%s: %j is %s', (type, value, valid) => {
    expect(check({ type }, value)).toEqual(valid ? [] : ['type']);
  });

  test.each([
    ['2026-02-28', true],
    ['2024-02-29', true],
    ['2026-02-29', false],
    ['1900-02-29', false],
    ['2000-02-29', true],
    ['2026-13-01', false],
    ['2026-04-31', false],
    ['2026-00-10', false],
    ['2026-1-1', false],
    ['26-01-01', false],
    ['2026-01-01T00:00Z', true],
    ['2026-01-01T23:59:59.123+05:30', true],
    ['2026-01-01T10:00:00', true],
    ['2026-01-01T24:00:00Z', false],
    ['2026-01-01T10:60:00Z', false],
    ['2026-01-01 10:00', false],
    ['2026-01-01T10:00:00Z\n', false],
    ['', false],
    ['2026-01-01T10:00:00+25:00', false],
  ])('the date %j is %s', (text, valid) => {
    expect(isIsoDate(text)).toBe(valid);
  });

  test('every date that JavaScript writes is one', () => {
    fc.assert(
      fc.property(
        fc.date({
          min: new Date('0000-01-01T00:00:00Z'),
          max: new Date('9999-12-31T23:59:59Z'),
          noInvalidDate: true,
        }),
        (date) => {
          expect(isIsoDate(date.toISOString())).toBe(true);
          expect(isIsoDate(date.toISOString().slice(0, 10))).toBe(true);
        },
      ),
    );
  });
});

describe('rules', () => {
  test.each([
    ['string', { min: 2, max: 3 }, 'string', 'ab', true],
    ['string', { min: 2, max: 3 }, 'string', 'a', false],
    ['string', { min: 2, max: 3 }, 'string', 'abcd', false],
    ['string', { max: 2 }, 'string', '👍👍', true],
    ['string', { min: 2 }, 'string', '👍', false],
    ['number', { min: 0 }, 'number', -0.1, false],
    ['number', { max: 5 }, 'number', 5, true],
    ['range', { min: 1, max: 720 }, 'number', 721, false],
    ['range', { min: 2 }, 'string', 'a', false],
    ['regex', { value: '^a+$' }, 'string', 'aaa', true],
    ['regex', { value: '^a+$' }, 'string', 'ab', false],
    ['regex', { value: 'b' }, 'string', 'abc', true],
    ['regex', { value: '^[0-9]{3}$' }, 'number', 123, true],
    ['regex', { value: '^.{1,2000}$' }, 'string', 'short', true],
    ['regex', { value: '^.{1,2000}$' }, 'string', 'x'.repeat(2001), false],
    ['regex', { value: '^(?:[a-z]{1,63}\\.){1,20}com$' }, 'string', 'mail.example.com', true],
  ] as const)('%s %j on a %s: %j is %s', (type, facts, of, value, valid) => {
    expect(check({ type: of, ...rule(type, facts) }, value)).toEqual(valid ? [] : [type]);
  });

  test('every broken rule is listed', () => {
    const validationRules = [
      { type: 'string', max: 2 },
      { type: 'regex', value: '^x' },
      { type: 'regex', value: 'y$' },
    ];
    expect(check({ validationRules }, 'abc')).toEqual(['string', 'regex', 'regex']);
  });

  test.each([
    ['an unknown rule', rule('sentiment'), /"sentiment".*not checked/],
    [
      'a range on a boolean',
      { type: 'boolean', ...rule('range', { min: 1 }) },
      /says nothing about a boolean/,
    ],
    ['a value that no rule uses', rule('string', { value: 'x' }), /value, which is not used/],
    ['a broken regex', rule('regex', { value: '(' }), /cannot be used/],
    ['a regex without a pattern', rule('regex'), /not a text/],
    ['a regex with look-ahead', rule('regex', { value: '(?=a)' }), /cannot be used/],
    ['a regex of another flavour', rule('regex', { value: 'a\\Z' }), /write \$.*character 2/],
  ] as const)('%s is a warning, never silence', (_name, facts, message) => {
    const { warnings } = compileDefinition({ name: 'a', type: 'string', ...facts }, 'org');
    expect(warnings).toEqual([expect.stringMatching(message)]);
    expect(warnings[0]).toContain('definition of a (organisation org)');
  });

  test('a regex made to explode answers at once', () => {
    expect(check(rule('regex', { value: '^(a+)+$' }), `${'a'.repeat(100_000)}!`)).toEqual([
      'regex',
    ]);
  });

  test('messages never quote the value', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 12, unit: 'grapheme' }), (value) => {
        const validationRules = [
          { type: 'string', max: 1 },
          { type: 'regex', value: '^$' },
          { type: 'number' },
        ];
        const errors = compileDefinition(
          { name: 'a', type: 'string', validationRules },
          'org',
        ).check(value);
        expect(JSON.stringify(errors)).not.toContain(JSON.stringify(value).slice(1, -1));
      }),
    );
  });
});

describe('a record', () => {
  function validate(
    definitions: readonly Partial<AttributeDefinition>[],
    targets: string[],
    values: unknown[],
  ) {
    const attributes = new Map(
      definitions.map((given) => {
        const definition: AttributeDefinition = {
          name: 'a',
          type: 'string',
          validationRules: [],
          ...given,
        };
        return [definition.name, { definition, origin: 'org' }];
      }),
    );
    const effective = { orgId: 'org', levels: ['org'], attributes, warnings: ['from the tree'] };
    const validator = createValidation().validatorFor(effective, targets);
    return { ...validator.validate(values), warnings: validator.warnings };
  }

  test('defaults fill in what is missing, of what is mapped or required', () => {
    const { attributes, errors } = validate(
      [
        { name: 'a', defaultValue: 'x' },
        { name: 'b', defaultValue: 'y' },
        { name: 'c', defaultValue: 'z', required: true },
        { name: 'd', defaultValue: 'w' },
      ],
      ['a', 'b'],
      ['given', undefined],
    );
    expect(errors).toEqual([]);
    expect(Object.fromEntries(attributes)).toEqual({ a: 'given', b: 'y', c: 'z' });
  });

  test('required without a value or default is an error, mapped or not', () => {
    const { errors } = validate(
      [
        { name: 'a', required: true },
        { name: 'b', required: true },
      ],
      ['a'],
      [undefined],
    );
    expect(errors.map(({ attribute, rule: broken }) => [attribute, broken])).toEqual([
      ['a', 'required'],
      ['b', 'required'],
    ]);
  });

  test('a default that breaks its own rules is an error of the definition', () => {
    const { errors, warnings } = validate(
      [{ name: 'a', type: 'number', defaultValue: 'x' }, { name: 'b' }],
      ['a', 'b'],
      [undefined, 'y'],
    );
    expect(errors).toMatchObject([{ attribute: 'a', rule: 'default' }]);
    expect(warnings).toHaveLength(2);
  });

  test('what is not allowed is left out and named; if nothing is left, that is an error', () => {
    expect(validate([{ name: 'a' }], ['a', 'b'], ['x', 'y'])).toMatchObject({
      skipped: ['b'],
      errors: [],
    });
    expect(validate([{ name: 'a' }], ['a', 'b'], [undefined, 'y']).errors).toMatchObject([
      { rule: 'empty' },
    ]);
  });

  test('a required attribute that would overwrite the id is not written', () => {
    const { attributes, warnings } = validate(
      [{ name: 'id', required: true, defaultValue: 'x' }, { name: 'a' }],
      ['a'],
      ['v'],
    );
    expect([...attributes.keys()]).toEqual(['a']);
    expect(warnings.join()).toContain('name cannot be written');
  });
});
