import type { Availability } from '../../lib/health/availability.ts';
import { startDependencyCheck } from '../../lib/health/dependency-check.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Sleep } from '../../lib/retry.ts';
import type { AttributeDefinition, AttributeDefinitions } from '../ports.ts';

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
