import { isDeepStrictEqual } from 'node:util';
import { ConfigError } from '../../errors.ts';
import type { Mapping } from './mapping.ts';

export interface ExampleResult {
  readonly name: string;
  readonly ok: boolean;
  /** What differs, when it is not ok. */
  readonly problem?: string;
}

/**
 * Runs the example tests that lie beside a mapping file (`config/crm-mapping.test.json`): a list of
 * `{"name", "record", "expected": {"id", "attributes": {…}}}`. An example without `expected.id`
 * only compares the attributes.
 *
 * @throws ConfigError when the file is not such a list.
 */
export async function runMappingExamples(
  mapping: Mapping,
  text: string,
  file: string,
): Promise<ExampleResult[]> {
  const results: ExampleResult[] = [];
  for (const { name, record, expected } of parseExamples(text, file)) {
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
      problems.length === 0
        ? { name, ok: true }
        : { name, ok: false, problem: problems.join('; ') },
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

function parseExamples(text: string, file: string): Example[] {
  let examples: unknown;
  try {
    examples = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`${file}: not JSON: ${reason}`], { code: 'invalid_mapping_examples' });
  }
  if (!Array.isArray(examples)) {
    throw new ConfigError([`${file}: found no list; allowed: a list of examples`], {
      code: 'invalid_mapping_examples',
    });
  }
  const problems: string[] = [];
  for (const [index, example] of examples.entries()) {
    if (!isExample(example)) {
      problems.push(
        `${file}: [${index}]: allowed: {"name", "record", "expected": {"id"?, "attributes": {…}}}`,
      );
    }
  }
  if (problems.length > 0) throw new ConfigError(problems, { code: 'invalid_mapping_examples' });
  return examples as Example[];
}

function isExample(value: unknown): value is Example {
  if (typeof value !== 'object' || value === null) return false;
  const { name, expected } = value as Partial<Record<string, unknown>>;
  return (
    typeof name === 'string' &&
    'record' in value &&
    typeof expected === 'object' &&
    expected !== null &&
    'attributes' in expected &&
    typeof expected.attributes === 'object' &&
    expected.attributes !== null
  );
}
