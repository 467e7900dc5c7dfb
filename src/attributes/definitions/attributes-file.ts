import { ConfigError } from '../../errors.ts';
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
export function parseAttributes(text: string, file: string): AttributeDefinition[] {
  const problems: string[] = [];
  const attributes: AttributeDefinition[] = [];
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`${file}: not JSON: ${reason}`], { code: 'invalid_attributes' });
  }
  const list: unknown = (document as { attributes?: unknown } | null)?.attributes;
  if (!Array.isArray(list)) problems.push(`${file}: attributes: allowed: a list of definitions`);
  const names = new Set<string>();
  for (const [index, given] of (Array.isArray(list) ? list : []).entries()) {
    const at = `${file}: attributes[${index}]`;
    const { name, type, description, required, defaultValue, validationRules } = (given ??
      {}) as Record<string, unknown>;
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
      ...(description === undefined ? {} : { description }),
      ...(required === undefined ? {} : { required }),
      ...(defaultValue === undefined ? {} : { defaultValue }),
      validationRules: validationRules ?? [],
    } as AttributeDefinition;
    names.add(definition.name);
    attributes.push(definition);
    for (const warning of compileDefinition(definition, file).warnings) {
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
      if (typeof rule !== 'object' || rule === null) return false;
      const { type, min, max } = rule as Partial<Record<string, unknown>>;
      const isBound = (bound: unknown) => bound === undefined || typeof bound === 'number';
      return typeof type === 'string' && isBound(min) && isBound(max);
    })
  );
}
