import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import { parseAttributes } from '../../../src/attributes/definitions/attributes-file.ts';
import { ConfigError } from '../../../src/errors.ts';

describe('the file of attributes', () => {
  test('the shipped one has the three default attributes', async () => {
    const file = 'config/attributes.json';
    expect(parseAttributes(await readFile(file, 'utf8'))).toMatchObject([
      { name: 'crm_ticket_id', type: 'string' },
      {
        name: 'crm_ticket_priority',
        validationRules: [{ type: 'regex', value: '^(low|medium|high|critical)$' }],
      },
      { name: 'crm_channel_source', type: 'string' },
    ]);
  });

  test.each([
    ['{', /^not JSON/],
    ['null', /attributes: allowed: a list/],
    ['{"attributes":[null]}', /attributes\[0\]\.name: allowed/],
    ['{"attributes":[{"name":"id","type":"string"}]}', /attributes\[0\]\.name/],
    [
      '{"attributes":[{"name":"a","type":"text"}]}',
      /attributes\[0\]\.type: allowed: string, number, boolean, date/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string"},{"name":"a","type":"string"}]}',
      /a is there twice/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string","validationRules":[{}]}]}',
      /validationRules: allowed/,
    ],
    [
      '{"attributes":[{"name":"a","type":"string","validationRules":[{"type":"regex","value":"("}]}]}',
      /cannot be used/,
    ],
    [
      '{"attributes":[{"name":"a","type":"number","defaultValue":"x"}]}',
      /default value that breaks its own rules/,
    ],
  ])('%s is refused', (text, message) => {
    expect(() => parseAttributes(text)).toThrow(ConfigError);
    expect(() => parseAttributes(text)).toThrow(message);
  });
});
