import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { AttributeDefinition, Conversation } from '../../../src/attributes/ports.ts';
import { describeUsage, isEnumeration } from '../../../src/attributes/report/describe-usage.ts';
import { createDetailedTally } from '../../../src/attributes/report/detailed-tally.ts';
import { createFlatTally, isFilled } from '../../../src/attributes/report/flat-tally.ts';

const priority: AttributeDefinition = {
  name: 'crm_ticket_priority',
  type: 'string',
  required: true,
  validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
};
const ticket: AttributeDefinition = { name: 'crm_ticket_id', type: 'string', validationRules: [] };

function definitionsOf(...definitions: AttributeDefinition[]) {
  return new Map(
    definitions.map((definition) => [definition.name, { definition, origin: 'acme' }]),
  );
}

let lastId = 0;
const conversation = (customAttributes: Record<string, unknown>): Conversation => ({
  conversationId: `c${(lastId += 1)}`,
  customAttributes,
});

describe('filled', () => {
  test.each([
    [undefined, false],
    [null, false],
    ['', false],
    [' ', true],
    [0, true],
    [false, true],
    [[], true],
  ])('%j: %s', (value, expected) => {
    expect(isFilled(value)).toBe(expected);
  });
});

describe('the flat tally', () => {
  test('names that mean something to JavaScript mean nothing here', () => {
    const names = ['__proto__', 'constructor', 'toString', 'length'];
    const tally = createFlatTally(names);
    const own = JSON.parse('{"__proto__":"x","length":3}') as Record<string, unknown>;
    tally.add([conversation({}), conversation(own), { conversationId: 'list' }], 0);
    expect([...tally.populated()]).toEqual([
      ['__proto__', 1],
      ['constructor', 0],
      ['toString', 0],
      ['length', 1],
    ]);
    expect(tally.conversations.count).toBe(3);
  });

  test('what is no map of attributes has none', () => {
    const tally = createFlatTally(['0', 'length']);
    for (const odd of [['x'], 'text', 5, null]) {
      tally.add([{ customAttributes: odd as unknown as Record<string, unknown> }], 0);
    }
    expect([...tally.populated().values()]).toEqual([0, 0]);
    expect(tally.conversations.count).toBe(4);
  });
});

describe('the detailed tally', () => {
  const days = ['2026-01-01', '2026-01-02', '2026-01-03'];

  function setup(
    names: readonly string[] = ['crm_ticket_priority'],
    definitions = definitionsOf(priority, ticket),
  ) {
    const tally = createDetailedTally({
      names,
      details: true,
      days: days.length,
      definitions,
    });
    const describeAs = (showValues: 'off' | 'enumerations' | 'all') =>
      describeUsage(tally, { days, definitions, showValues });
    return { tally, describeAs };
  }

  test('gives for an attribute all that an analyst asks for', () => {
    const { tally, describeAs } = setup();
    tally.add([conversation({ crm_ticket_priority: 'high' }), conversation({})], 2);
    tally.add(
      [
        conversation({ crm_ticket_priority: 'high', other: 1 }),
        conversation({ crm_ticket_priority: 'URGENT', other: '' }),
        conversation({ crm_ticket_priority: 7 }),
        conversation({ crm_ticket_priority: null }),
      ],
      1,
    );
    const usage = describeAs('enumerations');
    expect(usage.attributes.get('crm_ticket_priority')).toEqual({
      populated: 4,
      rate: 0.6667,
      distinct: { count: 3, exact: true },
      topValues: [{ value: 'high', count: 2 }],
      firstDay: '2026-01-02',
      lastDay: '2026-01-03',
      perDay: [
        { day: '2026-01-01', count: 0 },
        { day: '2026-01-02', count: 3 },
        { day: '2026-01-03', count: 1 },
      ],
      violations: { regex: 1, required: 2, type: 1 },
      defined: true,
      origin: 'acme',
    });
    expect(usage.definedNeverFilled).toEqual([{ attribute: 'crm_ticket_id', origin: 'acme' }]);
    expect(usage.filledNotDefined).toEqual([{ attribute: 'other', populated: 1 }]);
    expect(usage.truncated).toBe(false);
  });

  test('shows values only where the setting and the definition allow it', () => {
    const names = ['crm_ticket_priority', 'crm_ticket_id', 'undefined_one'];
    const { tally, describeAs } = setup(names);
    tally.add(
      [conversation({ crm_ticket_priority: 'Jane Doe', crm_ticket_id: 'T1', undefined_one: 'x' })],
      0,
    );
    const shown = (setting: 'off' | 'enumerations' | 'all') => {
      const { attributes } = describeAs(setting);
      return names.map((name) => attributes.get(name)?.topValues?.map(({ value }) => value));
    };
    expect(shown('off')).toEqual([undefined, undefined, undefined]);
    expect(shown('enumerations')).toEqual([[], undefined, undefined]);
    expect(shown('all')).toEqual([['Jane Doe'], ['T1'], ['x']]);
  });

  test.each<[Partial<AttributeDefinition>, boolean]>([
    [{ type: 'boolean' }, true],
    [{ validationRules: [{ type: 'regex', value: '^(a|b)$' }] }, true],
    [{ validationRules: [{ type: 'regex', value: '^(?:Île-de-France|b c)$' }] }, true],
    [{ validationRules: [{ type: 'regex', value: '^(a|.*)$' }] }, false],
    [{ validationRules: [{ type: 'regex', value: 'a|b' }] }, false],
    [{ validationRules: [{ type: 'regex', value: 3 }] }, false],
    [{ validationRules: [{ type: 'string', max: 3 }] }, false],
    [{}, false],
  ])('%j is an enumeration: %s', (definition, expected) => {
    expect(isEnumeration({ ...ticket, ...definition })).toBe(expected);
  });

  test('a conversation of two windows counts once, on its earliest day, in either order', () => {
    for (const order of [
      [0, 1],
      [1, 0],
    ]) {
      const { tally, describeAs } = setup();
      const long = conversation({ crm_ticket_priority: 'high' });
      for (const day of order) tally.add([long], day);
      expect(tally.conversations).toMatchObject({ count: 1, repeated: 1, allChecked: true });
      const usage = describeAs('off').attributes.get('crm_ticket_priority');
      expect(usage?.perDay.map(({ count }) => count)).toEqual([1, 0, 0]);
      expect(usage?.populated).toBe(1);
    }
  });

  test('the days of an attribute add up to its count, however windows interleave', () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(30), fc.nat(2), fc.option(fc.nat(3))), { maxLength: 200 }),
        (all) => {
          const { tally, describeAs } = setup();
          for (const [id, day, value] of all) {
            const page = [
              { conversationId: `x${id}`, customAttributes: { crm_ticket_priority: value } },
            ];
            tally.add(page, day);
          }
          const usage = describeAs('off').attributes.get('crm_ticket_priority');
          const sum = usage?.perDay.reduce((total, { count }) => total + count, 0);
          expect(sum).toBe(usage?.populated);
          expect(tally.conversations.count).toBe(new Set(all.map(([id]) => id)).size);
        },
      ),
    );
  });

  test('a million attribute names are not all tracked, but those asked for or defined are', () => {
    const { tally, describeAs } = setup();
    for (let index = 0; index < 1000; index += 1) {
      const many: Record<string, unknown> = {};
      for (let name = 0; name < 50; name += 1) many[`flood_${index}_${name}`] = 1;
      tally.add([conversation(many)], 0);
    }
    tally.add([conversation({ crm_ticket_priority: 'low', crm_ticket_id: 'T1' })], 0);
    tally.add([conversation({ ['n'.repeat(1000)]: 1 })], 0);
    const usage = describeAs('off');
    expect(usage.truncated).toBe(true);
    expect(tally.populated().size).toBeLessThanOrEqual(10_002);
    expect(usage.filledNotDefined).toHaveLength(1000);
    expect(usage.attributes.get('crm_ticket_priority')?.populated).toBe(1);
    expect(usage.definedNeverFilled).toEqual([]);
  });
});
