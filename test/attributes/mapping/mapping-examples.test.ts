import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { runMappingExamples } from '../../../src/attributes/mapping/mapping-examples.ts';
import { parseMapping } from '../../../src/attributes/mapping/mapping-file.ts';

const LIMITS = { timeoutMs: 1000, maxDepth: 200, maxSequence: 10_000 };
const parse = (document: unknown) => parseMapping(JSON.stringify(document), LIMITS);

describe('the examples beside a mapping', () => {
  test('those of the shipped mapping hold', async () => {
    const mapping = parseMapping(await readFile('config/crm-mapping.json', 'utf8'), LIMITS);
    const results = await runMappingExamples(
      mapping,
      await readFile('config/crm-mapping.test.json', 'utf8'),
    );
    expect(results.length).toBeGreaterThan(1);
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
  });

  test('one that does not hold says what differs', async () => {
    const examples = [
      { name: 'n', record: { id: '1', x: 2 }, expected: { id: '2', attributes: { a: 1 } } },
    ];
    const [result] = await runMappingExamples(
      parse({ attributes: { a: 'x' } }),
      JSON.stringify(examples),
    );
    expect(result).toMatchObject({
      ok: false,
      diff: expect.stringMatching(/\{"a":2\}.*\{"a":1\}.*"1".*"2"/) as string,
    });
  });

  test.each([
    ['{', /not JSON/],
    ['{}', /found an object; allowed: a list of/],
    ['[null]', /\/0: allowed: \{"name"/],
    ['[{"name":"x"}]', /\/0: allowed: \{"name"/],
  ])('a file that is none is refused: %s', async (text, problem) => {
    await expect(runMappingExamples(parse({ attributes: { a: 'x' } }), text)).rejects.toThrow(
      problem,
    );
  });
});
