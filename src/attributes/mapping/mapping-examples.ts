import { isDeepStrictEqual } from 'node:util';
import { parseExamples } from '../../lib/files/examples.ts';
import type { ExampleResult } from '../../lib/files/hold-to-examples.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { Mapping } from './mapping.ts';

const SHAPE = '{"name", "record", "expected": {"id"?, "attributes": {…}}}';

/**
 * Runs the example tests that lie beside a mapping file (`config/crm-mapping.test.json`): a list of
 * `{"name", "record", "expected": {"id", "attributes": {…}}}`. An example without `expected.id`
 * only compares the attributes.
 *
 * @throws ConfigError when the file is not such a list.
 */
export async function runMappingExamples(mapping: Mapping, text: string): Promise<ExampleResult[]> {
  const results: ExampleResult[] = [];
  for (const { name, record, expected } of parseExamples(
    text,
    'invalid_mapping_examples',
    SHAPE,
    isExample,
  )) {
    const mapped = await mapping.map(record);
    const attributes = Object.fromEntries(
      mapping.targets.flatMap((target, index) => {
        const value = mapped.values[index];
        return value === undefined ? [] : [[target, value] as const];
      }),
    );
    const problems = mapped.errors.map(({ attribute, message }) => `${attribute} ${message}`);
    if (!isDeepStrictEqual(attributes, expected.attributes)) {
      problems.push(
        `attributes are ${JSON.stringify(attributes)}, expected ${JSON.stringify(expected.attributes)}`,
      );
    }
    if (expected.id !== undefined && mapped.id !== expected.id) {
      problems.push(`id is ${JSON.stringify(mapped.id)}, expected ${JSON.stringify(expected.id)}`);
    }
    results.push(
      problems.length === 0 ? { name, ok: true } : { name, ok: false, diff: problems.join('; ') },
    );
  }
  return results;
}

interface Example {
  readonly name: string;
  readonly record: unknown;
  readonly expected: {
    readonly id?: string;
    readonly attributes: Readonly<Record<string, unknown>>;
  };
}

function isExample(value: JsonObject): value is JsonObject & Example {
  const { expected } = value;
  return 'record' in value && isJsonObject(expected) && isJsonObject(expected['attributes']);
}
