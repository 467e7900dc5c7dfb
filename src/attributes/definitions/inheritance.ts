import { LRUCache } from 'lru-cache';
import { BridgeError, UpstreamError } from '../../errors.ts';
import type { Cache } from '../../lib/cache.ts';
import type { AttributeDefinition, AttributeDefinitions, OrganisationUnits } from '../ports.ts';

export interface EffectiveDefinition {
  readonly definition: AttributeDefinition;
  /** The unit that defines it: the organisation itself or the nearest ancestor. */
  readonly origin: string;
}

/** The definitions that hold for an organisation: its own and those of all its ancestors. */
export interface EffectiveDefinitions {
  readonly orgId: string;
  /** The organisation itself, its parent, and so on up to the top. */
  readonly levels: readonly string[];
  /** By attribute name; the nearest definition wins. */
  readonly attributes: ReadonlyMap<string, EffectiveDefinition>;
  /** What is odd about the tree, for the answer. */
  readonly warnings: readonly string[];
}

export interface Inheritance {
  /**
   * Resolves the definitions of a unit. A failure on the way is a failure, never a shorter list.
   *
   * @throws UpstreamError when a level could not be read; BridgeError `organisation_tree_too_deep`;
   *   what `admit` throws.
   */
  effective(orgId: string, signal?: AbortSignal): Promise<EffectiveDefinitions>;
}

export interface InheritanceOptions {
  readonly definitions: AttributeDefinitions;
  readonly units: OrganisationUnits;
  /** The shared schema cache. Levels are kept as `definitions:<orgId>` and `parent:<orgId>`. */
  readonly cache: Cache;
  /** Called before Genesys is asked for what the cache does not have; refuses by throwing. */
  readonly admit?: (() => void) | undefined;
}

/** A deeper tree is an error. */
const MAX_LEVELS = 20;

type Level = readonly AttributeDefinition[];

export function createInheritance(options: InheritanceOptions): Inheritance {
  const { cache, definitions, units } = options;
  // Merging is cheap but not free; as long as no level was loaded anew, the result is the same.
  const merged = new LRUCache<string, { levels: readonly Level[]; result: EffectiveDefinitions }>({
    max: 500,
  });

  return {
    async effective(orgId, signal) {
      const chain: string[] = [];
      const loads: Promise<Level>[] = [];
      const warnings: string[] = [];
      let isAdmitted = false;
      const admitted =
        <V>(load: () => Promise<V>) =>
        async () => {
          if (!isAdmitted) options.admit?.();
          isAdmitted = true;
          return load();
        };
      let unit: string | undefined = orgId;
      while (unit !== undefined) {
        if (chain.includes(unit)) {
          warnings.push(
            `The parents of ${orgId} form a circle at ${unit}; each unit was counted once`,
          );
          break;
        }
        if (chain.length === MAX_LEVELS) {
          throw new BridgeError(
            `Organisation ${orgId} has more than ${MAX_LEVELS} levels of parents; check the tree above ${unit}`,
            {
              code: 'organisation_tree_too_deep',
              kind: 'reject',
              details: { orgId, maxLevels: MAX_LEVELS },
            },
          );
        }
        const current: string = unit;
        chain.push(current);
        const load = cache.get(
          `definitions:${current}`,
          admitted(() => definitions.ofUnit(current)),
          { signal, keepFailure: isNotFound },
        );
        // It is awaited below, once the way up is known; until then it must not count as unhandled.
        load.catch(() => undefined);
        loads.push(load);
        unit = await cache.get(
          `parent:${current}`,
          admitted(() => units.parentOf(current)),
          { signal },
        );
      }

      const levels = await Promise.all(loads);
      const known = merged.get(orgId);
      if (known !== undefined && isSame(known.levels, levels)) return known.result;
      const result = merge(orgId, chain, levels, warnings);
      merged.set(orgId, { levels, result });
      return result;
    },
  };
}

function isNotFound(error: unknown): boolean {
  return error instanceof UpstreamError && error.code === 'genesys_not_found';
}

function isSame(before: readonly Level[], after: readonly Level[]): boolean {
  return before.length === after.length && before.every((level, index) => level === after[index]);
}

function merge(
  orgId: string,
  chain: readonly string[],
  levels: readonly Level[],
  warnings: readonly string[],
): EffectiveDefinitions {
  const attributes = new Map<string, EffectiveDefinition>();
  for (const [index, origin] of chain.entries()) {
    for (const definition of levels[index] ?? []) {
      if (!attributes.has(definition.name)) attributes.set(definition.name, { definition, origin });
    }
  }
  if (attributes.size === 0 && chain.length === 1) {
    const odd = `Organisation ${orgId} has no definitions and no parent: is its id right?`;
    return { orgId, levels: chain, attributes, warnings: [...warnings, odd] };
  }
  return { orgId, levels: chain, attributes, warnings };
}
