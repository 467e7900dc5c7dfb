import { ConfigError } from '../../errors.ts';
import type { DependencyReporter } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import type { AttributeDefinition, AttributeDefinitions } from '../ports.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from './attribute-name.ts';
import { compileDefinition } from './definition-check.ts';

export interface AttributeDefinerOptions {
  readonly definitions: Pick<AttributeDefinitions, 'define'>;
  readonly attributes: readonly AttributeDefinition[];
  readonly reporter: DependencyReporter;
  readonly log: Logger;
  /** Something is defined that was not: cached definitions are out of date. */
  readonly onCreated?: () => void;
  /** Back-off between two attempts, in milliseconds. Default: from 1 s up to 1 min. */
  readonly retry?: { readonly baseMs: number; readonly capMs: number };
  readonly sleep?: Sleep;
}

/** Sees in the background that the attributes which the service writes are defined. */
export interface AttributeDefiner {
  /** Returns at once: Genesys may be away while the service starts. */
  start(): void;
  stop(): Promise<void>;
}

export function createAttributeDefiner(options: AttributeDefinerOptions): AttributeDefiner {
  const { definitions, reporter, log } = options;
  const retry = options.retry ?? { baseMs: 1000, capMs: 60_000 };
  const sleep = options.sleep ?? realSleep;
  const stopping = new AbortController();
  let running: Promise<void> | undefined;

  async function defineAll(): Promise<void> {
    const open = new Map(options.attributes.map((attribute) => [attribute.name, attribute]));
    for (let failures = 0; !stopping.signal.aborted; ) {
      const failure = await defineEach(open);
      if (stopping.signal.aborted) return;
      if (failure === undefined) {
        reporter.up(`${options.attributes.length} attributes`);
        return;
      }
      failures += 1;
      reporter.down(failure);
      const delayMs = fullJitterMs(retry, failures) + retry.baseMs;
      log.warn(
        { attributes: [...open.keys()], retryInMs: delayMs, err: failure },
        'Attributes could not be defined in Genesys; trying again',
      );
      await sleep(delayMs, stopping.signal);
    }
  }

  /** Defines what is open; one refused attribute does not hold up the others. */
  async function defineEach(open: Map<string, AttributeDefinition>): Promise<unknown> {
    let failure: unknown;
    for (const [name, attribute] of open) {
      try {
        const outcome = await definitions.define(attribute, stopping.signal);
        open.delete(name);
        log.info({ attribute: name, outcome }, 'Attribute is defined in Genesys');
        if (outcome === 'created') options.onCreated?.();
      } catch (error) {
        failure ??= error;
      }
    }
    return failure;
  }

  return {
    start() {
      running ??= defineAll().catch((error: unknown) => {
        if (!stopping.signal.aborted) log.error({ err: error }, 'Defining attributes broke off');
      });
    },
    async stop() {
      stopping.abort(new Error('The service is stopping'));
      await running;
    },
  };
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
