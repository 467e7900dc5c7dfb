import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject, kindOf } from '../json-object.ts';
import { parseJson } from './config-file.ts';

/**
 * The list in a file of examples (`….test.json`).
 *
 * @param shape what an example looks like, for messages.
 * @throws ConfigError with a sentence for each item that is no example.
 */
export function parseExamples<T extends { readonly name: string }>(
  text: string,
  code: string,
  shape: string,
  isExample: (value: JsonObject) => value is JsonObject & T,
): readonly T[] {
  const list = parseJson(text, code);
  if (!Array.isArray(list)) {
    throw new ConfigError([`found ${kindOf(list)}; allowed: a list of ${shape}`], { code });
  }
  const examples: T[] = [];
  const problems: string[] = [];
  for (const [index, value] of (list as readonly unknown[]).entries()) {
    if (isJsonObject(value) && typeof value['name'] === 'string' && isExample(value)) {
      examples.push(value);
    } else {
      problems.push(`/${index}: allowed: ${shape}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems, { code });
  return examples;
}
