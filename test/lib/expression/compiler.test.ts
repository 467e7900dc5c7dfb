import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileExpression } from '../../../src/lib/expression/expression.ts';

const limits = { timeoutMs: 5000, maxDepth: 500, maxSequence: 1000 };

interface Outcome {
  readonly value?: unknown;
  readonly code?: string;
}

async function outcome(
  source: string,
  input: unknown,
  compile: boolean,
  bindings: Readonly<Record<string, unknown>>,
): Promise<Outcome & { compiled: boolean }> {
  const expression = compileExpression(source, { ...limits, compile });
  try {
    const value = await expression.evaluate(structuredClone(input), bindings);
    return { value, compiled: expression.compiled };
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    return { code, compiled: expression.compiled };
  }
}

async function expectSame(
  source: string,
  input: unknown,
  bindings: Readonly<Record<string, unknown>> = {},
): Promise<boolean> {
  const { compiled, ...fast } = await outcome(source, input, true, bindings);
  const { compiled: _, ...reference } = await outcome(source, input, false, bindings);
  expect(fast, `${source} on ${JSON.stringify(input)}`).toEqual(reference);
  // toEqual does not see the order of keys, JSON does.
  expect(JSON.stringify(fast)).toBe(JSON.stringify(reference));
  return compiled;
}

const event = {
  id: 'e-1',
  payload: {
    type: 'voice',
    priority: 'high',
    n: 3,
    zero: 0,
    empty: '',
    none: null,
    yes: true,
    no: false,
    routing: { queue: { name: 'Priority Süd 😀' } },
    tags: ['a', 'b'],
    one: ['x'],
    nothing: [],
    nested: [[1, 2], [3]],
    deepNested: [[[1]]],
    items: [
      { name: 'n1', price: 2, tags: ['p'] },
      { name: 'n2', price: 3 },
      { price: 4, tags: [] },
    ],
    single: [{ name: 'only', tags: ['q', 'r'] }],
    groups: [{ rows: [{ v: 1 }, { v: 2 }] }, { rows: [{ v: 3 }] }, { rows: [] }, {}],
    when: '2026-01-02T03:04:05.678Z',
    millis: 1_700_000_000_123,
    'odd name': 'odd',
    '*': 'star',
    text: '42',
    spaced: '  a \t b\n ',
    mark: { _jsonata_function: true, a: 1 },
    __proto: 'p',
  },
};

/** Cases with their reason: the odd ones of the language and each function of the compiler. */
const corpus: readonly string[] = [
  // paths
  'payload.type',
  'payload.missing.deeper',
  'payload.tags',
  'payload.one',
  'payload.nothing',
  'payload.nothing.x',
  'payload.nested',
  'payload.nested.x',
  'payload.deepNested',
  'payload.items.name',
  'payload.items.tags',
  'payload.items.missing',
  'payload.single.name',
  'payload.single.tags',
  'payload.groups.rows.v',
  'payload.groups.rows',
  'payload.mark.a',
  'payload.`odd name`',
  'payload.`*`',
  'payload.*',
  'payload.text.length',
  '$.payload.type',
  '$$.payload.type',
  '$$',
  '$',
  'payload."type"',
  'payload.__proto__',
  'constructor',
  'payload.toString',
  // literals, objects, arrays
  '"x"',
  '1.5',
  '-0',
  'null',
  'true',
  '{}',
  '[]',
  '{"a": payload.missing, "b": null, "c": payload.tags}',
  '{"b": 1, "a": 2, "1": 3, "0": 4}',
  '{payload.type: 1}',
  '{payload.missing: 1}',
  '{payload.n: 1}',
  '{"a": 1, "a": 2}',
  '{"__proto__": 1}',
  '{"_jsonata_lambda": 1}',
  '[payload.missing, 1, payload.tags, [payload.tags], payload.nested]',
  '[payload.items.name]',
  '[[]]',
  '[payload.one]',
  'payload.items.{"n": name, "t": tags}',
  'payload.single.{"n": name}',
  'payload.missing.{"n": name}',
  'payload.{"n": type}',
  '{"a": {"b": payload.type}}.a.b',
  '[payload.type].x',
  'payload.[type, n]',
  'payload.items.[name]',
  // operators
  'payload.n + 1',
  'payload.n / 0',
  '0 * -1',
  'payload.n % 2',
  'payload.missing + 1',
  'payload.type + 1',
  '1 + payload.type',
  'payload.missing + "x"',
  '-payload.n',
  '-payload.zero',
  '-payload.type',
  '-payload.missing',
  '1e308 * 10',
  '0.1 + 0.2',
  '"" & (0.1 + 0.2)',
  'payload.n & "x" & payload.missing & null & true',
  'payload.tags & "x"',
  'payload.items & "x"',
  'payload.n = 3',
  'payload.n = "3"',
  'payload.tags = ["a", "b"]',
  'payload.routing = {"queue": {"name": "Priority Süd 😀"}}',
  'payload.none = null',
  'payload.missing = payload.missing',
  'payload.missing != 1',
  'payload.type != "chat"',
  'payload.n < 4',
  'payload.n < payload.missing',
  'payload.type < 4',
  'payload.none < 4',
  'payload.yes > false',
  '"a" >= "A"',
  'payload.type in ["voice", "chat"]',
  '"a" in payload.tags',
  'payload.type in "voice"',
  'payload.missing in []',
  'payload.yes and payload.n',
  'payload.no or payload.empty',
  'payload.nothing or payload.tags',
  'payload.missing and $error("never")',
  'payload.yes or $error("never")',
  // conditions, blocks, variables
  'payload.n > 2 ? "big" : "small"',
  'payload.no ? "x"',
  'payload.missing ? 1 : 2',
  'payload.tags ? 1 : 2',
  'payload.missing ?? "default"',
  'payload.empty ?? "default"',
  'payload.empty ?: "default"',
  '($x := payload.n; $x + $x)',
  '($x := 1; ($x := 2; $x); $x)',
  '($x := 1; $y := ($x := 5; $x) + $x; $y)',
  '($x := payload.items; $x.name)',
  '($x := payload.items.name; [$x, $x])',
  '($x := payload.one; $x)',
  '$unbound',
  '$given.a',
  '($given := 1; $given)',
  '($string := 1; $string)',
  '()',
  '(1; 2; payload.missing)',
  '$x := 5',
  // functions
  '$string(payload.n)',
  '$string(payload.items)',
  '$string(1/3)',
  '$string(payload.missing)',
  '$string(null)',
  '$string()',
  '$uppercase(payload.type) & $lowercase("ÄB")',
  '$uppercase(payload.n)',
  'payload.type.$uppercase($)',
  'payload.tags.$uppercase($)',
  '$uppercase(payload.missing)',
  '$length(payload.routing.queue.name)',
  '$trim(payload.spaced)',
  '$substring("hello 😀 world", 6, 1)',
  '$substring("hello", -3)',
  '$substring("hello", -9, 2)',
  '$substring("hello", 1.5, 2.5)',
  '$substring("hello", 1, 0)',
  '$substring("hello", 1, payload.missing)',
  '$substringBefore("a-b", "-") & $substringAfter("a-b", "-") & $substringAfter("ab", "-")',
  '$contains(payload.routing.queue.name, "Priority")',
  '$contains(payload.type, /v/)',
  '$contains(payload.type, payload.missing)',
  '$split("a,b,c", ",")',
  '{"x": $split("a", ",")}',
  'payload.$split(type, "o")',
  '$join(payload.tags, "-")',
  '$join(payload.tags)',
  '$join("a", "-")',
  '$join(payload.nested)',
  '$join(payload.nothing, ",")',
  '$number(payload.text)',
  '$number("0x10")',
  '$number("-0")',
  '$number("1e999")',
  '$number("abc")',
  '$number(payload.yes)',
  '$number(payload.none)',
  '$floor(2.7) + $ceil(2.2) + $abs(-3)',
  '$floor("x")',
  '$ceil(-0.5)',
  '$boolean(payload.tags)',
  '$boolean(payload.empty)',
  '$not(payload.missing)',
  '$not(payload.no)',
  '$exists(payload.none)',
  '$exists(payload.missing)',
  '$count(payload.items)',
  '$count(payload.missing)',
  '$count(payload.n)',
  '$count(payload.items.name)',
  '$fromMillis(payload.millis)',
  '$fromMillis(-1)',
  '$fromMillis(1e15)',
  '$toMillis(payload.when)',
  '$toMillis("2026-13-45T99:00:00Z")',
  '$toMillis("2026")',
  '$now() = $now()',
  '$millis() - $toMillis($now())',
  '$uuid()',
  '$uuid(1)',
  'payload.items.$tag(name)',
  '$fails()',
  '$later()',
  '$missingFunction()',
  'string(1)',
  // outside the compiled part: must still be right
  'payload.items[0].name',
  'payload.items[price > 2].name',
  'payload.one[]',
  'payload.items^(>price).name',
  '$sum(payload.items.price)',
  '$map(payload.items, function($i) { $i.price * 2 })',
  'payload.items{name: price}',
  'payload.**.v',
  'payload.items.%.type',
  '[1..3]',
];

const bindings = {
  uuid: () => '0f9c2b1e-0000-4000-8000-000000000000',
  tag: (name?: string) => (name === undefined ? undefined : `#${name}`),
  given: { a: 'bound' },
  fails: () => {
    throw new Error('bound function failed');
  },
  later: () => Promise.resolve('later'),
};

describe('the compiled form of an expression is indistinguishable from the interpreter', () => {
  test.each(corpus)('%s', async (source) => {
    await expectSame(source, event, bindings);
  });

  test('and a plain mapping is compiled, or the comparison would be empty', async () => {
    const compiled = await expectSame(
      '{"detail": {"id": $$.id, "p": $uppercase(payload.priority)}, "id": $uuid()}',
      event,
      bindings,
    );
    expect(compiled).toBe(true);
  });

  test.each([undefined, null, 1, 'text', [], [event], [[event]], {}])(
    'whatever the root is: %j',
    async (root) => {
      for (const source of ['payload.type', '$', '$$', '{"a": payload.type}', '[$]', '$count($)']) {
        await expectSame(source, root);
      }
    },
  );

  test('a binding may replace a built-in function', async () => {
    await expectSame('$uppercase(payload.type)', event, { uppercase: () => 'mine' });
  });

  test('a sequence longer than the bound is the same error', async () => {
    const long = { items: Array.from({ length: 2000 }, (_, index) => ({ index })) };
    const fast = await outcome('items.index', long, true, {});
    expect(fast.code).toBe('D2015');
    await expectSame('items.index', long);
    await expectSame('[items, items]', long);
  });

  test('on generated expressions and inputs', { timeout: 60_000 }, async () => {
    const key = fc.constantFrom('a', 'b', 'c', 'd');
    const { value } = fc.letrec<{ value: unknown }>((tie) => ({
      value: fc.oneof(
        { maxDepth: 4, withCrossShrink: true },
        fc.constantFrom<unknown>(null, true, false, 0, 1, -2, 3.5, '', 'x', '12', 'ÄÖ😀', ' s '),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(key, tie('value'), { maxKeys: 4, noNullPrototype: true }),
      ),
    }));
    const path = fc.array(key, { minLength: 1, maxLength: 4 }).map((steps) => steps.join('.'));
    const { expression } = fc.letrec<{ expression: string }>((tie) => {
      const sub = tie('expression');
      return {
        expression: fc.oneof(
          { maxDepth: 4, withCrossShrink: true },
          path,
          fc.constantFrom(
            '1',
            '0',
            '-3',
            '2.5',
            '"x"',
            '""',
            'null',
            'true',
            '$',
            '$$',
            '$v',
            '[]',
          ),
          fc
            .tuple(
              sub,
              fc.constantFrom(
                '+',
                '-',
                '*',
                '/',
                '%',
                '&',
                '=',
                '!=',
                '<',
                '>=',
                'in',
                'and',
                'or',
                '??',
                '?:',
              ),
              sub,
            )
            .map(([left, operator, right]) => `(${left} ${operator} ${right})`),
          fc.tuple(path, sub).map(([from, step]) => `${from}.(${step})`),
          fc.tuple(sub, key).map(([from, step]) => `(${from}).${step}`),
          fc.tuple(sub, sub, sub).map((parts) => `(${parts[0]} ? ${parts[1]} : ${parts[2]})`),
          fc.array(sub, { maxLength: 3 }).map((parts) => `[${parts.join(', ')}]`),
          fc.tuple(key, sub, sub).map(([k, one, two]) => `{"${k}": ${one}, "z": ${two}}`),
          fc.tuple(path, sub).map(([from, one]) => `${from}.{"k": ${one}}`),
          fc.tuple(sub, sub).map(([one, two]) => `($v := ${one}; ${two})`),
          fc
            .tuple(
              fc.constantFrom(
                'string',
                'uppercase',
                'trim',
                'length',
                'number',
                'not',
                'boolean',
                'exists',
                'count',
                'floor',
                'abs',
                'join',
              ),
              sub,
            )
            .map(([name, argument]) => `$${name}(${argument})`),
          fc
            .tuple(
              fc.constantFrom('contains', 'substringBefore', 'split', 'join', 'substring'),
              sub,
              sub,
            )
            .map(([name, one, two]) => `$${name}(${one}, ${two})`),
        ),
      };
    });
    await fc.assert(
      fc.asyncProperty(expression, value, async (source, input) => {
        await expectSame(source, input);
      }),
      { numRuns: 3000 },
    );
  });
});
