import type {
  AttributeDefinition,
  AttributeDefinitions,
  AttributeType,
  ValidationRule,
} from '../../attributes/ports.ts';
import type { GenesysClient } from '../client.ts';
import { pagesOf } from '../pages.ts';
import {
  list,
  optionalBoolean,
  optionalNumber,
  optionalText,
  record,
  ShapeError,
  text,
} from '../shape.ts';

const PATH = '/api/v2/customattributes';
const PAGE_SIZE = 100;
const MAX_PAGES = 1000;

const TYPES = ['string', 'number', 'boolean', 'date'] as const satisfies readonly AttributeType[];

/** `GET` and `POST /api/v2/customattributes`. */
export function createAttributeDefinitions(client: GenesysClient): AttributeDefinitions {
  return {
    async ofUnit(orgId, signal) {
      const pages = pagesOf(client, {
        operation: 'list_attribute_definitions',
        path: PATH,
        query: { orgId },
        scope: 'customattributes:read',
        read: readDefinition,
        pageSize: PAGE_SIZE,
        maxPages: MAX_PAGES,
        signal,
      });
      const definitions: AttributeDefinition[] = [];
      for await (const page of pages) definitions.push(...page);
      return definitions;
    },

    async define(definition, signal) {
      const { id: _given, ...body } = definition;
      const { value } = await client.call({
        operation: 'define_attribute',
        method: 'POST',
        path: PATH,
        scope: 'customattributes:write',
        urgency: 'write',
        body,
        // A repeat is answered 409, which is fine.
        idempotent: true,
        alsoFine: [409],
        read: (answer, status) => {
          if (status === 409) return 'existed';
          text(record(answer, 'the definition')['id'], 'id');
          return 'created';
        },
        signal,
      });
      return value;
    },
  };
}

function readDefinition(entity: unknown, name: string): AttributeDefinition {
  const fields = record(entity, name);
  const id = optionalText(fields['id'], `${name}.id`);
  const description = optionalText(fields['description'], `${name}.description`);
  const required = optionalBoolean(fields['required'], `${name}.required`);
  const type = TYPES.find((known) => known === fields['type']);
  if (type === undefined) throw new ShapeError(`${name}.type is none of ${TYPES.join(', ')}`);
  const defaultValue = fields['defaultValue'] ?? undefined;
  return {
    id,
    name: text(fields['name'], `${name}.name`),
    type,
    description,
    required,
    defaultValue,
    validationRules: list(fields['validationRules'] ?? [], `${name}.validationRules`).map(
      (rule, index) => readRule(rule, `${name}.validationRules[${index}]`),
    ),
  };
}

function readRule(rule: unknown, name: string): ValidationRule {
  const fields = record(rule, name);
  const min = optionalNumber(fields['min'], `${name}.min`);
  const max = optionalNumber(fields['max'], `${name}.max`);
  const value = fields['value'] ?? undefined;
  return {
    type: text(fields['type'], `${name}.type`),
    value,
    min,
    max,
  };
}
