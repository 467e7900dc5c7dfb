import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileExpression } from '../../../src/lib/expression/expression.ts';
import { anyExpression, anyValue, bindings, corpus, event } from './support/corpus.ts';

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
    await fc.assert(
      fc.asyncProperty(anyExpression, anyValue, async (source, input) => {
        await expectSame(source, input);
      }),
      { numRuns: 3000 },
    );
  });
});
