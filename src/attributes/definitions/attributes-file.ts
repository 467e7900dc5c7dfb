import { ConfigError } from '../../errors.ts';
import { parseJson } from '../../lib/files/config-file.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import type { AttributeDefinition } from '../ports.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from './attribute-name.ts';
import { compileDefinition } from './definition-check.ts';

const TYPES = ['string', 'number', 'boolean', 'date'];

/**
 * The text of `config/attributes.json`: `{"attributes": [{name, type, description?, required?,
 * defaultValue?, validationRules?}]}`.
 *
 * @throws ConfigError `invalid_attributes` with one sentence per problem.
 */
export function parseAttributes(text: string): AttributeDefinition[] {
  const problems: string[] = [];
  const attributes: AttributeDefinition[] = [];
  const document = parseJson(text, 'invalid_attributes');
  const list: unknown = isJsonObject(document) ? document['attributes'] : undefined;
  if (!Array.isArray(list)) problems.push('attributes: allowed: a list of definitions');
  const names = new Set<string>();
  for (const [index, given] of (Array.isArray(list) ? list : []).entries()) {
    const at = `attributes[${index}]`;
    const { name, type, description, required, defaultValue, validationRules } = isJsonObject(given)
      ? given
      : {};
    const before = problems.length;
    if (typeof name !== 'string' || !isAttributeName(name)) {
      problems.push(`${at}.name: allowed: ${ATTRIBUTE_NAME_RULE}`);
    } else if (names.has(name)) {
      problems.push(`${at}.name: ${name} is there twice; allowed: once`);
    }
    if (typeof type !== 'string' || !TYPES.includes(type)) {
      problems.push(`${at}.type: allowed: ${TYPES.join(', ')}`);
    }
    if (description !== undefined && typeof description !== 'string') {
      problems.push(`${at}.description: allowed: text`);
    }
    if (required !== undefined && typeof required !== 'boolean') {
      problems.push(`${at}.required: allowed: true or false`);
    }
    if (validationRules !== undefined && !areRules(validationRules)) {
      problems.push(`${at}.validationRules: allowed: a list of {"type", "value"?, "min"?, "max"?}`);
    }
    if (problems.length > before) continue;
    const definition = {
      name,
      type,
      description,
      required,
      defaultValue,
      validationRules: validationRules ?? [],
    } as AttributeDefinition;
    names.add(definition.name);
    attributes.push(definition);
    for (const warning of compileDefinition(definition, 'of this file').warnings) {
      problems.push(`${at}: ${warning}`);
    }
  }
  if (problems.length > 0) throw new ConfigError(problems, { code: 'invalid_attributes' });
  return attributes;
}

function areRules(value: unknown): boolean {
  return (
    Array.isArray(value) &&
    value.every((rule: unknown) => {
      if (!isJsonObject(rule)) return false;
      const { type, min, max } = rule;
      const isBound = (bound: unknown) => bound === undefined || typeof bound === 'number';
      return typeof type === 'string' && isBound(min) && isBound(max);
    })
  );
}
