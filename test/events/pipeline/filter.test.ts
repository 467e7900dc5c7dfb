import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { ConfigError } from '../../../src/errors.ts';
import { compileFilter } from '../../../src/events/pipeline/filter.ts';

const configured = compileFilter(JSON.parse(await readFile('config/event-filter.json', 'utf8')));

function interaction(payload: Readonly<Record<string, unknown>>) {
  return { id: 'i-1', resourceType: 'interaction', payload };
}

function problemsOf(definition: unknown): readonly string[] {
  try {
    compileFilter(definition);
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

describe('the configured filter', () => {
  test.each([
    ['a high priority', interaction({ priority: 'high' }), 'high-priority'],
    [
      'a priority queue in any case',
      interaction({ priority: 'low', routing: { queue: { name: 'EMEA pRiOrItY 2' } } }),
      'priority-queue',
    ],
  ])('lets pass and names the rule: %s', (_, event, rule) => {
    expect(configured.verdict(event)).toStrictEqual({ matched: true, rule });
  });

  test('says why an event does not pass', () => {
    const event = interaction({ priority: 'low', routing: { queue: { name: 'Sales' } } });
    expect(configured.verdict(event)).toMatchObject({
      matched: false,
      reason:
        'high-priority: payload.priority is "low", not "high"; ' +
        'priority-queue: payload.routing.queue.name is "Sales", which does not contain "priority"',
    });
    expect(configured.verdict({ resourceType: 'user' })).toMatchObject({
      reason: 'resourceType is "user", not "interaction"',
    });
  });

  test.each([
    null,
    undefined,
    42,
    'text',
    [],
    [interaction({ priority: 'high' })],
    interaction([] as never),
    { resourceType: 'interaction', payload: null },
    { resourceType: 'interaction', payload: { priority: ['high'], routing: 'none' } },
    { resourceType: 'interaction', payload: { routing: { queue: { name: { priority: 1 } } } } },
    JSON.parse('{"__proto__": {"resourceType": "interaction"}}'),
  ])('refuses a hostile event with a reason: %j', (event) => {
    const verdict = configured.verdict(event);
    expect(verdict.matched ? '' : verdict.reason).not.toBe('');
  });

  test('never throws, whatever the event', () => {
    fc.assert(
      fc.property(fc.anything(), (event) => {
        const verdict = configured.verdict(event);
        expect(verdict.matched || verdict.reason.length > 0).toBe(true);
      }),
    );
  });
});

describe('the rule language', () => {
  const rule = (condition: object) => compileFilter({ any: [{ name: 'it', ...condition }] });

  test.each([
    [{ path: 'a.b', equals: 1 }, { a: { b: 1 } }, { a: { b: '1' } }],
    [{ path: 'a', equals: 'X', ignoreCase: true }, { a: 'x' }, { a: 'y' }],
    [{ path: 'a', equals: null }, { a: null }, {}],
    [{ path: 'a', in: ['x', 2] }, { a: 2 }, { a: [2] }],
    [{ path: 'a', in: ['X'], ignoreCase: true }, { a: 'x' }, { a: 'xx' }],
    [{ path: 'a', contains: 'b' }, { a: 'abc' }, { a: 'ABC' }],
    [{ path: 'a', matches: '^(v|c)' }, { a: 'voice' }, { a: 'email' }],
    [{ path: 'a', matches: 'VOICE', ignoreCase: true }, { a: 'voice' }, { a: 1 }],
    [{ path: 'a', exists: true }, { a: null }, {}],
    [{ path: 'a', exists: false }, {}, { a: 0 }],
    [{ path: '/a.b/c~1d', equals: 1 }, { 'a.b': { 'c/d': 1 } }, { a: { b: 1 } }],
    [{ path: 'list.0', equals: 'x' }, { list: ['x'] }, { list: [] }],
    [{ not: { path: 'a', equals: 1 } }, { a: 2 }, { a: 1 }],
    [
      {
        all: [
          { path: 'a', equals: 1 },
          {
            any: [
              { path: 'b', equals: 1 },
              { path: 'b', equals: 2 },
            ],
          },
        ],
      },
      { a: 1, b: 2 },
      { a: 1, b: 3 },
    ],
  ])('%j', (condition, good, bad) => {
    expect(rule(condition).verdict(good)).toStrictEqual({ matched: true, rule: 'it' });
    const verdict = rule(condition).verdict(bad);
    expect(verdict.matched).toBe(false);
    if (!verdict.matched) expect(verdict.reason).toMatch(/^it: ./);
  });

  test('inherited properties are not fields', () => {
    expect(rule({ path: 'constructor.name', exists: true }).verdict({}).matched).toBe(false);
  });

  test('without "any", everything under "all" suffices', () => {
    const filter = compileFilter({ all: [{ path: 'a', equals: 1 }] });
    expect(filter.verdict({ a: 1 })).toStrictEqual({ matched: true, rule: 'all' });
  });

  test('all problems of a filter are reported at once, with their place', () => {
    expect(
      problemsOf({
        all: [{ path: 'a' }, 'text', { path: 'a', equals: {} }],
        any: [
          { path: 'a', equals: 1 },
          { name: 'two', path: 'a', matches: '(?=x)' },
          { name: 'three', path: '', equals: 1 },
          { name: 'four', path: 'a', equals: 1, contains: 'b' },
          { name: 'five', path: 'a', equls: 1 },
        ],
        more: true,
      }).map((problem) => problem.split(':')[0]),
    ).toStrictEqual([
      '/more',
      '/all/0',
      '/all/1',
      '/all/2',
      '/any/1',
      '/any/2',
      '/any/3',
      '/any/4',
      '/any/0',
    ]);
  });

  test.each([null, [], 'text', {}, { any: {} }])('is no filter: %j', (definition) => {
    expect(problemsOf(definition)).not.toHaveLength(0);
  });

  test('a filter nested without end is refused', () => {
    let condition: object = { path: 'a', equals: 1 };
    for (let depth = 0; depth < 50; depth += 1) condition = { not: condition };
    expect(problemsOf({ all: [condition] })[0]).toMatch(/deeper than 16/);
  });
});
