import { describe, expect, test } from 'vitest';
import { parseMapping } from '../../../src/attributes/mapping/mapping-file.ts';
import { ConfigError } from '../../../src/errors.ts';

const LIMITS = { timeoutMs: 1000, maxDepth: 200, maxSequence: 10_000 };
const parse = (document: unknown) => parseMapping(JSON.stringify(document), LIMITS);

describe('a mapping file that is wrong', () => {
  test.each([
    ['not JSON', '{\n  "attributes": {,}\n}', /not JSON: .*line 2/],
    ['a list', [], /the file: found a list/],
    [
      'an unknown key',
      { attribute: {}, attributes: { a: 'a' } },
      /attribute: found an unknown key; allowed: .*attributes/,
    ],
    ['no attributes', {}, /attributes: found nothing; allowed: at least one/],
    ['no id fields', { id: [], attributes: { a: 'a' } }, /id: found an empty list/],
    ['a bad id field', { id: [5], attributes: { a: 'a' } }, /id\[0\]: found a number/],
    ['a target id', { attributes: { id: 'a' } }, /attributes\.id: .*letter/],
    ['a target with a space', { attributes: { 'a b': 'a' } }, /attributes\.a b: /],
    ['a bad path', { attributes: { a: 'x..y' } }, /attributes\.a\.field: .*dotted path/],
    ['a path into the prototype', { attributes: { a: '__proto__.x' } }, /attributes\.a\.field/],
    [
      'both field and expression',
      { attributes: { a: { field: 'x', expression: 'x' } } },
      /attributes\.a: found both/,
    ],
    ['neither', { attributes: { a: {} } }, /attributes\.a: found neither/],
    [
      'a broken expression',
      { attributes: { a: { expression: 'x.(' } } },
      /attributes\.a\.expression: found .*line 1/,
    ],
    [
      'a bad coerce',
      { attributes: { a: { field: 'x', coerce: 'date' } } },
      /attributes\.a\.coerce: .*number or boolean/,
    ],
    [
      'an unknown part',
      { attributes: { a: { field: 'x', default: 1 } } },
      /attributes\.a\.default: found an unknown key/,
    ],
  ])('%s: says file, key and what is allowed', (_name, document, message) => {
    const text = typeof document === 'string' ? document : JSON.stringify(document);
    expect(() => parseMapping(text, LIMITS)).toThrow(ConfigError);
    expect(() => parseMapping(text, LIMITS)).toThrow(message);
  });

  test('__proto__ as a target', () => {
    expect(() => parseMapping('{"attributes":{"__proto__":"a"}}', LIMITS)).toThrow(/__proto__/);
  });

  test('all problems at once', () => {
    try {
      parse({ attributes: { id: 'a', b: 5, c: {} } });
    } catch (error) {
      expect((error as ConfigError).problems).toHaveLength(3);
      return;
    }
    throw new Error('It should have failed');
  });
});
