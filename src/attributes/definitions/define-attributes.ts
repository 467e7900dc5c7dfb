import { ConfigError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { startDependencyCheck } from '../../lib/health/dependency-check.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Sleep } from '../../lib/retry.ts';
import type { AttributeDefinition, AttributeDefinitions } from '../ports.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from './attribute-name.ts';
import { compileDefinition } from './definition-check.ts';

export interface AttributeDefinerOptions {
  readonly definitions: Pick<AttributeDefinitions, 'define'>;
  readonly attributes: readonly AttributeDefinition[];
  readonly availability: Availability;
  readonly log: Logger;
  /** Something is defined that was not: cached definitions are out of date. */
  readonly onCreated?: (() => void) | undefined;
  /** Back-off between two attempts, in milliseconds. Default: from 1 s up to 1 min. */
  readonly retry?: { readonly baseMs: number; readonly capMs: number } | undefined;
  readonly sleep?: Sleep | undefined;
}

/**
 * Defines in the background the attributes that the service writes, until each is defined:
 * Genesys may be away while the service starts.
 */
export function startAttributeDefiner(options: AttributeDefinerOptions): { stop(): Promise<void> } {
  const { attributes, definitions, log, onCreated } = options;
  const open = new Map(attributes.map((attribute) => [attribute.name, attribute]));

  /** One refused attribute does not hold up the others. @throws the first failure. */
  async function defineOpen(signal: AbortSignal): Promise<string> {
    const failures: unknown[] = [];
    for (const [name, attribute] of open) {
      try {
        const outcome = await definitions.define(attribute, signal);
        open.delete(name);
        log.info({ attribute: name, outcome }, 'Attribute is defined in Genesys');
        if (outcome === 'created') onCreated?.();
      } catch (error) {
        failures.push(error);
      }
    }
    if (failures.length > 0) throw failures[0];
    return `${attributes.length} attributes`;
  }

  return startDependencyCheck({
    check: defineOpen,
    availability: options.availability,
    consequence: () => `not defined yet: ${[...open.keys()].join(', ')}`,
    retry: options.retry ?? { baseMs: 1000, capMs: 60_000 },
    sleep: options.sleep,
  });
}

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
