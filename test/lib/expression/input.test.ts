import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileExpression } from '../../../src/lib/expression/expression.ts';
import { anyExpression, anyValue, bindings, corpus, event } from './support/corpus.ts';

const limits = { timeoutMs: 5000, maxDepth: 500, maxSequence: 1000 };

async function outcome(source: string, compile: boolean, input: unknown, bound = bindings) {
  try {
    return {
      value: await compileExpression(source, { ...limits, compile }).evaluate(input, bound),
    };
  } catch (error) {
    return { code: error instanceof Error && 'code' in error ? error.code : error };
  }
}

/** Frozen data throws where an expression would write to it. */
function frozen<T>(value: T): T {
  if (typeof value === 'object' && value !== null) Object.values(value).forEach(frozen);
  return Object.freeze(value);
}

async function expectUntouched(source: string, input: unknown): Promise<void> {
  for (const compile of [true, false]) {
    const given = structuredClone(input);
    const bound = { ...bindings, given: { a: 'bound', list: [] } };
    const free = await outcome(source, compile, given, bound);
    // Also the marks that JSONata sets on lists, which JSON would not show.
    expect(isDeepStrictEqual(given, input), `${source} on ${JSON.stringify(input)}`).toBe(true);
    expect(bound.given).toStrictEqual({ a: 'bound', list: [] });
    const kept = await outcome(source, compile, frozen(structuredClone(input)), frozen(bound));
    expect(kept, `${source} on ${JSON.stringify(input)}`).toStrictEqual(free);
  }
}

describe('an expression leaves its input as it was', () => {
  test.each(corpus.filter((source) => !/now|millis/.test(source)))('%s', async (source) => {
    await expectUntouched(source, event);
  });

  test('on generated inputs and expressions that group, mark and transform', {
    timeout: 60_000,
  }, async () => {
    const writing = fc
      .tuple(
        anyExpression,
        fc.constantFrom(
          '%s{$: 1}',
          '%s{"x": $}',
          '%s[]',
          '%s[].{"x": $}',
          '$map(%s, function($v) { $v{"x": $} })',
          '$ ~> |%s|{"x": 1}|',
          '$ ~> |$$.(%s)|{"x": 1}, ["a", "b"]|',
          '[%s{"x": 1}, $count(%s), %s]',
        ),
      )
      .map(([source, shape]) => shape.replaceAll('%s', () => `(${source})`));
    await fc.assert(fc.asyncProperty(writing, anyValue, expectUntouched), { numRuns: 1000 });
  });

  test('an empty list that was grouped is empty for the rest of the expression', async () => {
    const source = '{"grouped": list{"a": $count($$.list)}, "count": $count(list), "list": list}';
    expect(await outcome(source, true, { list: [] })).toStrictEqual({
      value: { grouped: { a: 0 }, count: 0, list: [] },
    });
  });
});
