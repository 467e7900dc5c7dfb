import { type Call, json, type Reply } from '../operation.ts';
import { isObject, parseObject, Refusal } from './error-body.ts';
import {
  DEFINITIONS,
  type Definition,
  type DefinitionSeed,
  GROUPS,
  type Group,
} from './organisation.ts';

/**
 * Organisation units and their attribute definitions.
 *
 * The contract's POST names no organisation, so what it defines holds for the whole of Genesys: it
 * is listed at every unit without a parent and for ids that are not known, and the units below
 * inherit it.
 */
export interface Organisation {
  readonly list: (call: Call) => Reply;
  readonly define: (call: Call) => Reply;
  readonly group: (call: Call) => Reply;
  /** Adds or replaces a unit; parents need not exist, and may form a circle. */
  addGroup(group: Group, definitions?: readonly DefinitionSeed[]): void;
  /** Adds or replaces a definition; without `orgId` for the whole of Genesys. */
  addDefinition(definition: DefinitionSeed, orgId?: string): void;
  /** What one unit itself defines; without `orgId` what holds for the whole of Genesys. */
  definitions(orgId?: string): readonly Definition[];
  /** Whether an attribute of this name is defined anywhere. */
  isDefined(name: string): boolean;
}

const PATH = '/api/v2/customattributes';
const TYPES = new Set(['string', 'number', 'boolean', 'date']);
const MAX_PAGE_SIZE = 100;

export function createOrganisation(): Organisation {
  const groups = new Map<string, Group>();
  const perUnit = new Map<string, Map<string, Definition>>();
  const everywhere = new Map<string, Definition>();
  const names = new Set<string>();
  let lastId = 0;

  function addDefinition(seed: DefinitionSeed, orgId?: string): Definition {
    lastId += 1;
    const id = `attribute-${lastId}`;
    const definition = {
      description: '',
      required: false,
      validationRules: [],
      id,
      selfUri: `${PATH}/${id}`,
      ...seed,
    };
    let level = everywhere;
    if (orgId !== undefined) {
      level = perUnit.get(orgId) ?? new Map<string, Definition>();
      perUnit.set(orgId, level);
    }
    level.set(definition.name, definition);
    names.add(definition.name);
    return definition;
  }

  function listed(orgId: string | undefined): readonly Definition[] {
    const own = [...((orgId === undefined ? undefined : perUnit.get(orgId))?.values() ?? [])];
    const hasParent = orgId !== undefined && groups.get(orgId)?.parentId !== undefined;
    return hasParent ? own : [...own, ...everywhere.values()];
  }

  for (const group of GROUPS) groups.set(group.id, group);
  for (const [orgId, seeds] of DEFINITIONS) for (const seed of seeds) addDefinition(seed, orgId);

  return {
    list(call) {
      const query = new URLSearchParams(call.query);
      const orgId = query.get('orgId') ?? undefined;
      const pageSize = wholeNumber(query, 'pageSize', 25, MAX_PAGE_SIZE);
      const pageNumber = wholeNumber(query, 'pageNumber', 1, 1_000_000);
      const all = listed(orgId);
      const pageCount = Math.ceil(all.length / pageSize);
      const start = (pageNumber - 1) * pageSize;
      const uri = (page: number) => {
        const next = new URLSearchParams(query);
        next.set('pageSize', String(pageSize));
        next.set('pageNumber', String(page));
        return `${PATH}?${next.toString()}`;
      };
      let nextUri: string | undefined;
      if (call.repeatPage) nextUri = uri(pageNumber);
      else if (pageNumber < pageCount) nextUri = uri(pageNumber + 1);
      return json({
        entities: all.slice(start, start + pageSize),
        pageNumber,
        pageSize,
        pageCount: call.repeatPage ? 1_000_000_000 : pageCount,
        total: all.length,
        ...(nextUri === undefined ? {} : { nextUri }),
      });
    },

    define(call) {
      const body = parseObject(call.body);
      const { name, type, validationRules = [], required = false, description = '' } = body;
      if (typeof name !== 'string' || !/^[A-Za-z]\w{0,99}$/.test(name)) {
        throw new Refusal(400, 'name has to be 1 to 100 letters, digits and underscores.');
      }
      if (typeof type !== 'string' || !TYPES.has(type)) {
        throw new Refusal(400, `type has to be one of ${[...TYPES].join(', ')}.`);
      }
      if (!Array.isArray(validationRules) || !validationRules.every(isObject)) {
        throw new Refusal(400, 'validationRules has to be a list of rules.');
      }
      if (typeof required !== 'boolean' || typeof description !== 'string') {
        throw new Refusal(400, 'required has to be a boolean, description a text.');
      }
      if (everywhere.has(name)) {
        throw new Refusal(409, `The custom attribute ${name} already exists.`);
      }
      const definition = addDefinition({
        name,
        type: type as Definition['type'],
        description,
        required,
        validationRules,
        ...(body['defaultValue'] === undefined ? {} : { defaultValue: body['defaultValue'] }),
      });
      return json(definition, 201);
    },

    group(call) {
      const id = decode(call.path.slice('/api/v2/groups/'.length));
      const group = groups.get(id);
      if (group === undefined) throw new Refusal(404, `There is no group ${id}.`);
      return json(group);
    },

    addGroup(group, definitions = []) {
      groups.set(group.id, group);
      for (const definition of definitions) addDefinition(definition, group.id);
    },
    addDefinition(definition, orgId) {
      addDefinition(definition, orgId);
    },
    definitions: (orgId) => [
      ...((orgId === undefined ? everywhere : perUnit.get(orgId))?.values() ?? []),
    ],
    isDefined: (name) => names.has(name),
  };
}

function wholeNumber(query: URLSearchParams, name: string, fallback: number, max: number): number {
  const text = query.get(name);
  if (text === null) return fallback;
  const value = /^\d{1,15}$/.test(text) ? Number(text) : 0;
  if (value >= 1 && value <= max) return value;
  throw new Refusal(400, `${name} has to be a whole number from 1 to ${max}.`);
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new Refusal(400, 'The path is not encoded correctly.');
  }
}
