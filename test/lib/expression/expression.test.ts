import { describe, expect, test } from 'vitest';
import { compileExpression, ExpressionError } from '../../../src/lib/expression/expression.ts';

const limits = { timeoutMs: 250, maxDepth: 200, maxSequence: 1000 };

async function failureOf(source: string, input: unknown = {}): Promise<ExpressionError> {
  try {
    await compileExpression(source, limits).evaluate(input);
  } catch (error) {
    if (error instanceof ExpressionError) return error;
    throw error;
  }
  throw new Error(`${source} did not fail`);
}

describe('compileExpression', () => {
  test('results are plain JSON', async () => {
    const result = await compileExpression('{"list": items.n, "one": items[0].n}', limits).evaluate(
      { items: [{ n: 1 }, { n: 2 }] },
    );
    expect(result).toStrictEqual({ list: [1, 2], one: 1 });
    expect(structuredClone(result)).toStrictEqual(result);
  });

  test('no result is undefined', async () => {
    expect(await compileExpression('missing.path', limits).evaluate({})).toBeUndefined();
  });

  test('bindings hold for one evaluation, also side by side', async () => {
    const expression = compileExpression('{"id": $uuidv4(), "root": $$.n}', limits);
    const results = await Promise.all(
      Array.from({ length: 50 }, async (_, n) =>
        expression.evaluate({ n }, { uuidv4: () => `id-${n}` }),
      ),
    );
    expect(results).toStrictEqual(
      Array.from({ length: 50 }, (_, n) => ({ id: `id-${n}`, root: n })),
    );
  });

  test('patterns find, replace and split as in JSONata', async () => {
    const evaluate = async (source: string) => compileExpression(source, limits).evaluate({});
    expect(await evaluate('$match("ab12cd345", /([a-z]+)(\\d+)/)')).toStrictEqual([
      { match: 'ab12', index: 0, groups: ['ab', '12'] },
      { match: 'cd345', index: 4, groups: ['cd', '345'] },
    ]);
    expect(await evaluate('$replace("a1b2", /[0-9]/, "#")')).toBe('a#b#');
    expect(await evaluate('$split("a, b,c", /,\\s*/)')).toStrictEqual(['a', 'b', 'c']);
    expect(await evaluate('$contains("PRIORITY", /priority/i)')).toBe(true);
    expect(await evaluate('$replace("aa", /^a/, "b")')).toBe('ba');
    expect((await failureOf('$match("abc", /x*/)')).code).toBe('D1004');
  });

  test('patterns mean what they mean in JavaScript', async () => {
    const evaluate = async (source: string, input = {}) =>
      compileExpression(source, limits).evaluate(input);
    const name = 'Anna\u00a0 Bell';
    expect(await evaluate('$replace(name, /\\s+/, " ")', { name })).toBe('Anna Bell');
    expect(await evaluate('$split("a\\u2028b\\r\\nc", /\\s+/)')).toStrictEqual(['a', 'b', 'c']);
    expect(await evaluate('$match("x\\r\\ny", /^.$/m).match')).toStrictEqual(['x', 'y']);
    expect(await evaluate('$replace("é1", /\\p{L}(\\d)/, "$1")')).toBe('1');
    expect(() => compileExpression('$contains(a, /x\\A/)', limits)).toThrow(
      /"\\A" is no escape of ECMAScript.*character 2.*line 1, column/,
    );
  });

  test('syntax errors tell code, position, line and column', () => {
    expect(() => compileExpression('{\n  "a": (1 + \n}', limits)).toThrow(
      expect.objectContaining({
        code: 'S0211',
        position: 16,
        message: 'The symbol "}" cannot be used as a unary operator (line 3, column 1)',
      }) as Error,
    );
  });

  test.each([
    ['an unbound function', '$nothing(1)', 'T1006'],
    ['an error of its own', '$error("no good")', 'D3137'],
    ['a function as result', '$sum', 'result_not_json'],
    ['a lambda in the result', '{"f": function($x){$x}}', 'result_not_json'],
  ])('fails with a code: %s', async (_, source, code) => {
    expect((await failureOf(source)).code).toBe(code);
  });

  test.each([
    ['an endless tail recursion', '($f := function($x){$f($x + 1)}; $f(0))', 'time'],
    ['a deep recursion', '($f := function($x){1 + $f($x)}; $f(0))', 'depth'],
    ['a large range', '[1..100000]', 'sequence'],
    ['a huge range', '[1..100000000]', 'sequence'],
  ])('is stopped: %s', async (_, source, exceeded) => {
    expect((await failureOf(source)).exceeded).toBe(exceeded);
  });

  test('a catastrophic pattern runs in linear time', async () => {
    const expression = compileExpression('$contains(text, /^(a+)+$/)', limits);
    expect(await expression.evaluate({ text: `${'a'.repeat(20_000)}!` })).toBe(false);
  });

  test('patterns that need back-tracking are refused before the first event', () => {
    expect(() => compileExpression('\n$contains(a, /(?=b)c/)', limits)).toThrow(
      expect.objectContaining({ code: 'pattern_not_allowed' }) as Error,
    );
  });

  test('a very long or very deep expression is an error, not a crash', () => {
    expect(() => compileExpression('1+'.repeat(40_000), limits)).toThrow(/at most 65536/);
    expect(() => compileExpression('('.repeat(60_000), limits)).toThrow(ExpressionError);
  });
});
