import { ConfigError, messageOf } from '../../errors.ts';
import { compileExpression, type ExpressionLimits } from '../../lib/expression/expression.ts';
import { parseJson } from '../../lib/files/config-file.ts';
import { isJsonObject, kindOf } from '../../lib/json-object.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from '../definitions/attribute-name.ts';
import { compileFieldPath, type FieldReader } from './field-path.ts';
import {
  type Coercion,
  createMapping,
  type ExpressionTarget,
  type FieldTarget,
  type Mapping,
} from './mapping.ts';

const KEYS = ['$schema', 'description', 'id', 'attributes'];
const SOURCE_KEYS = ['field', 'expression', 'coerce'];
const SOURCE_RULE =
  'a field name, {"field": "a.b", "coerce"?: "string" | "number" | "boolean"} or {"expression": "JSONata", "coerce"?: …}';

/**
 * Compiles the text of a mapping file, such as `config/crm-mapping.json`:
 *
 * ```json
 * {
 *   "id": ["ticketId", "id"],
 *   "attributes": {
 *     "crm_ticket_id": "ticketId",
 *     "crm_amount": { "field": "order.total", "coerce": "number" },
 *     "crm_customer": { "expression": "customer.(first & ' ' & last)" }
 *   }
 * }
 * ```
 *
 * `id` lists the fields that identify the record, the first with a value counts. A field is a name
 * or a dotted path; a field whose own name has the dots wins.
 *
 * @throws ConfigError `invalid_mapping` with one sentence per problem: key, what was found, what is allowed.
 */
export function parseMapping(text: string, limits: ExpressionLimits): Mapping {
  const problems: string[] = [];
  const problem = (key: string, found: string, allowed: string) =>
    problems.push(`${key}: found ${found}; allowed: ${allowed}`);
  const fail = () => new ConfigError(problems, { code: 'invalid_mapping' });

  const document = parseJson(text, 'invalid_mapping');
  if (!isJsonObject(document)) {
    problem('the file', kindOf(document), 'an object with "id" and "attributes"');
    throw fail();
  }
  for (const key of Object.keys(document)) {
    if (!KEYS.includes(key)) problem(key, 'an unknown key', KEYS.join(', '));
  }

  const reads = new Set<string>();
  let readsAny = false;
  const noteField = (path: unknown) => {
    // A field whose own name has the dots wins over the path.
    for (const name of [String(path), String(path).split('.', 1)[0] ?? '']) reads.add(name);
  };

  const ids: FieldReader[] = [];
  const idFields = document['id'] ?? ['ticketId', 'id'];
  const listed: unknown[] = Array.isArray(idFields) ? idFields : [idFields];
  if (listed.length === 0) problem('id', 'an empty list', 'field names');
  for (const [index, field] of listed.entries()) {
    const read = compileFieldPath(field);
    if (read === undefined) problem(`id[${index}]`, kindOf(field), 'a field name or dotted path');
    else ids.push(read);
    noteField(field);
  }

  const fields: FieldTarget[] = [];
  const expressions: ExpressionTarget[] = [];
  const attributes = document['attributes'];
  if (!isJsonObject(attributes) || Object.keys(attributes).length === 0) {
    problem('attributes', kindOf(attributes), `at least one "attribute": ${SOURCE_RULE}`);
    throw fail();
  }
  for (const [name, given] of Object.entries(attributes)) {
    const key = `attributes.${name}`;
    if (!isAttributeName(name)) problem(key, 'this name', ATTRIBUTE_NAME_RULE);
    const source = typeof given === 'string' ? { field: given } : given;
    if (!isJsonObject(source)) {
      problem(key, kindOf(given), SOURCE_RULE);
      continue;
    }
    for (const unknown of Object.keys(source).filter((part) => !SOURCE_KEYS.includes(part))) {
      problem(`${key}.${unknown}`, 'an unknown key', SOURCE_KEYS.join(', '));
    }
    const { field, expression, coerce } = source;
    if (!isCoercion(coerce)) {
      problem(`${key}.coerce`, kindOf(coerce), 'string, number or boolean');
      continue;
    }
    if ((field === undefined) === (expression === undefined)) {
      problem(key, field === undefined ? 'neither' : 'both', 'one of "field" and "expression"');
    } else if (field !== undefined) {
      const read = compileFieldPath(field);
      if (read === undefined) problem(`${key}.field`, kindOf(field), 'a field name or dotted path');
      else fields.push({ name, read, coerce });
      noteField(field);
    } else if (typeof expression !== 'string') {
      problem(`${key}.expression`, kindOf(expression), 'the text of a JSONata expression');
    } else {
      try {
        const compiled = compileExpression(expression, limits);
        if (compiled.reads === undefined) readsAny = true;
        for (const field of compiled.reads ?? []) reads.add(field);
        expressions.push({ name, evaluate: (record) => compiled.evaluate(record), coerce });
      } catch (error) {
        problem(`${key}.expression`, messageOf(error), 'a JSONata expression');
      }
    }
  }
  if (problems.length > 0) throw fail();

  return createMapping(ids, fields, expressions, readsAny ? undefined : reads);
}

function isCoercion(value: unknown): value is Coercion | undefined {
  return value === undefined || value === 'string' || value === 'number' || value === 'boolean';
}
