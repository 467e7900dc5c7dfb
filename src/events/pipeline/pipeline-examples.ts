import assert from 'node:assert/strict';
import { parseExamples } from '../../lib/files/examples.ts';
import type { ExampleResult } from '../../lib/files/hold-to-examples.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { EventSchema } from './event-schema.ts';
import type { EventFilter } from './filter.ts';
import type { Transform } from './transform.ts';

interface Example {
  readonly name: string;
  readonly event: unknown;
  readonly eventId?: unknown;
  readonly expected: unknown;
}

/** The id of examples that do not say one: a UUID, so that `$uuidv4()` yields just this. */
const EVENT_ID = '00000000-0000-4000-8000-000000000000';

/**
 * `config/event-filter.test.json`: a list of `{"name", "event", "expected"}`, where expected is the
 * name of the rule that matches, or `null` when none does.
 *
 * @throws ConfigError when the text is no such list.
 */
export function runFilterExamples(filter: EventFilter, text: string): readonly ExampleResult[] {
  return examplesIn(text).map(({ name, event, expected }) => {
    const verdict = filter.verdict(event);
    return verdict.matched
      ? compare(name, verdict.rule, expected)
      : compare(name, null, expected, verdict.reason);
  });
}

/**
 * `config/event-transform.test.json`: a list of `{"name", "event", "eventId"?, "expected"}`, where
 * expected is the transformed event, or `{"error": <code>}` with the code of the failure. What the
 * expression yields must also fulfil the schema, where there is one.
 *
 * @throws ConfigError when the text is no such list.
 */
export async function runTransformExamples(
  transform: Transform,
  schema: EventSchema | undefined,
  text: string,
): Promise<readonly ExampleResult[]> {
  const results: ExampleResult[] = [];
  for (const { name, event, eventId, expected } of examplesIn(text)) {
    const result = await transform.apply(event, typeof eventId === 'string' ? eventId : EVENT_ID);
    if (!result.ok) {
      results.push(compare(name, { error: result.issues[0]?.keyword }, expected));
      continue;
    }
    const compared = compare(name, result.transformed, expected);
    const issues = schema?.issues(result.transformed) ?? [];
    const breaches = issues.map(({ path, message }) => `breaks the schema: ${path} ${message}`);
    results.push(
      compared.ok && breaches.length > 0
        ? { name, ok: false, diff: breaches.join('\n') }
        : compared,
    );
  }
  return results;
}

/**
 * `config/event-schema.test.json`: a list of `{"name", "event", "expected"}`, where event is a
 * transformed event and expected the list of what is wrong with it, as `<path> <keyword>`; an empty
 * list means valid.
 *
 * @throws ConfigError when the text is no such list.
 */
export function runSchemaExamples(schema: EventSchema, text: string): readonly ExampleResult[] {
  return examplesIn(text).map(({ name, event, expected }) => {
    const issues = schema.issues(isJsonObject(event) ? event : {});
    return compare(
      name,
      issues.map(({ path, keyword }) => `${path} ${keyword}`),
      expected,
    );
  });
}

function compare(name: string, actual: unknown, expected: unknown, remark = ''): ExampleResult {
  try {
    assert.deepEqual(actual, expected);
    return { name, ok: true };
  } catch (error) {
    if (!(error instanceof assert.AssertionError)) throw error;
    const [, ...lines] = error.message.split('\n');
    return { name, ok: false, diff: [...lines, remark].join('\n').trim() };
  }
}

function examplesIn(text: string): readonly Example[] {
  return parseExamples(text, 'invalid_examples', '{"name", "event", "expected"}', isExample);
}

function isExample(value: JsonObject): value is JsonObject & Example {
  return Object.hasOwn(value, 'event') && Object.hasOwn(value, 'expected');
}
