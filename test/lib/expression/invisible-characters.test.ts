import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compileExpression } from '../../../src/lib/expression/expression.ts';

const limits = { timeoutMs: 1000, maxDepth: 200, maxSequence: 1000 };
const invisible = fc.constantFrom(
  ...Array.from(
    '\u0000\u00a0\u00ad\u034f\u061c\u1680\u180e\u2003\u200b\u200d\u200e\u2028\u2060\u3000\u3164\ufe0f\ufeff',
  ),
);
const name = fc
  .stringMatching(/^[a-zäé_][a-z0-9]{0,5}$/)
  .filter((text) => !/^(?:and|or|in)$/.test(text));

describe('invisible characters in an expression', () => {
  test('are refused in names, with line, column and code point', () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.constantFrom('"a/b" & ', '/* x */ ', '6 / 2 & ', 'a.* / 2 & ', '\n', 'x in y & '),
        ),
        fc.constantFrom('', '$', '`'),
        name,
        name,
        invisible,
        (before, quote, first, second, character) => {
          const head = `${before.join('')}${quote}${first}`;
          const source = `${head}${character}${second}${quote === '`' ? quote : ''}`;
          const lines = head.split('\n');
          const code = character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
          expect(() => compileExpression(source, limits)).toThrow(
            expect.objectContaining({
              code: 'invisible_character',
              position: head.length,
              message: expect.stringContaining(
                `U+${code} cannot be part of a name (line ${lines.length}, column ${(lines.at(-1) ?? '').length + 1})`,
              ) as string,
            }) as Error,
          );
        },
      ),
    );
  });

  test('are refused where a blank would stand', () => {
    expect(() => compileExpression('{"a":\u00a01}', limits)).toThrow(/U\+00A0.*column 6/);
  });

  test('are data in texts, comments and patterns', async () => {
    await fc.assert(
      fc.asyncProperty(invisible, async (character) => {
        const source = `/*${character}*/ $contains("a${character}", /a[/]?${character}/) & '"${character}'`;
        const result = await compileExpression(source, limits).evaluate({});
        expect(result).toBe(`true"${character}`);
      }),
    );
  });

  test('a field that has one is reached by a text', async () => {
    const expression = compileExpression('"a\\u00a0b"', limits);
    const path = compileExpression('$."a\\u00a0b"', limits);
    expect(await expression.evaluate({})).toBe('a\u00a0b');
    expect(await path.evaluate({ 'a\u00a0b': 1 })).toBe(1);
  });

  test('a byte order mark before the expression is skipped', async () => {
    expect(await compileExpression('\ufeff{"a": 1}', limits).evaluate({})).toStrictEqual({ a: 1 });
    expect(() => compileExpression('\ufeff{"a": }', limits)).toThrow(/line 1, column 7/);
  });
});
