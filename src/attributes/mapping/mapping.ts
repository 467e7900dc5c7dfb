import { ConfigError } from '../../errors.ts';
import { compileExpression, type ExpressionLimits } from '../../lib/expression/expression.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from '../definitions/attribute-name.ts';
import type { FieldError } from '../definitions/definition-check.ts';
import { compileFieldPath, type FieldReader } from './field-path.ts';

/** How the text of a CRM field becomes a value of another type; other text is left as it is. */
type Coercion = 'string' | 'number' | 'boolean';

export interface MappedRecord {
  /** `undefined` when the record cannot be identified; then `errors` says why. */
  readonly id: string | undefined;
  /**
   * One value for each of the mapping's targets, in their order; `undefined` for fields that are
   * absent or null. Empty when the record is none at all.
   */
  readonly values: readonly unknown[];
  readonly errors: readonly FieldError[];
}

/**
 * CRM record → attributes, as an operator wrote it down in `config/crm-mapping.json`:
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
 */
export interface Mapping {
  /** The attributes that it feeds. */
  readonly targets: readonly string[];
  /** A promise only if the mapping has expressions. Never throws, never rejects. */
  map(record: unknown): MappedRecord | Promise<MappedRecord>;
}

export const MAX_ID_LENGTH = 256;

const NO_ERRORS: readonly FieldError[] = [];
const KEYS = ['$schema', 'description', 'id', 'attributes'];
const SOURCE_KEYS = ['field', 'expression', 'coerce'];
const SOURCE_RULE =
  'a field name, {"field": "a.b", "coerce"?: "string" | "number" | "boolean"} or {"expression": "JSONata", "coerce"?: …}';

interface FieldTarget {
  readonly name: string;
  readonly read: FieldReader;
  readonly coerce: Coercion | undefined;
}

interface ExpressionTarget {
  readonly name: string;
  readonly evaluate: (record: unknown) => Promise<unknown>;
  readonly coerce: Coercion | undefined;
}

/**
 * Compiles the text of a mapping file.
 *
 * @param file its name, for messages.
 * @throws ConfigError `invalid_mapping` with one sentence per problem: file, key, what is allowed.
 */
export function parseMapping(text: string, file: string, limits: ExpressionLimits): Mapping {
  const problems: string[] = [];
  const problem = (key: string, found: string, allowed: string) =>
    problems.push(`${file}: ${key}: found ${found}; allowed: ${allowed}`);
  const fail = () => new ConfigError(problems, { code: 'invalid_mapping' });

  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch (error) {
    // The engine's message names line and column.
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`${file}: not JSON: ${reason}`], { code: 'invalid_mapping' });
  }
  if (!isObject(document)) {
    problem('the file', show(document), 'an object with "id" and "attributes"');
    throw fail();
  }
  for (const key of Object.keys(document)) {
    if (!KEYS.includes(key)) problem(key, 'an unknown key', KEYS.join(', '));
  }

  const ids: FieldReader[] = [];
  const idFields = document['id'] ?? ['ticketId', 'id'];
  const listed: unknown[] = Array.isArray(idFields) ? idFields : [idFields];
  if (listed.length === 0) problem('id', 'an empty list', 'field names');
  for (const [index, field] of listed.entries()) {
    const read = compileFieldPath(field);
    if (read === undefined) problem(`id[${index}]`, show(field), 'a field name or dotted path');
    else ids.push(read);
  }

  const fields: FieldTarget[] = [];
  const expressions: ExpressionTarget[] = [];
  const attributes = document['attributes'];
  if (!isObject(attributes) || Object.keys(attributes).length === 0) {
    problem('attributes', show(attributes), `at least one "attribute": ${SOURCE_RULE}`);
    throw fail();
  }
  for (const [name, given] of Object.entries(attributes)) {
    const key = `attributes.${name}`;
    if (!isAttributeName(name)) problem(key, 'this name', ATTRIBUTE_NAME_RULE);
    const source = typeof given === 'string' ? { field: given } : given;
    if (!isObject(source)) {
      problem(key, show(given), SOURCE_RULE);
      continue;
    }
    for (const unknown of Object.keys(source).filter((part) => !SOURCE_KEYS.includes(part))) {
      problem(`${key}.${unknown}`, 'an unknown key', SOURCE_KEYS.join(', '));
    }
    const { field, expression, coerce } = source as Record<string, unknown>;
    if (!isCoercion(coerce)) {
      problem(`${key}.coerce`, show(coerce), 'string, number or boolean');
      continue;
    }
    if ((field === undefined) === (expression === undefined)) {
      problem(key, field === undefined ? 'neither' : 'both', 'one of "field" and "expression"');
    } else if (field !== undefined) {
      const read = compileFieldPath(field);
      if (read === undefined) problem(`${key}.field`, show(field), 'a field name or dotted path');
      else fields.push({ name, read, coerce });
    } else if (typeof expression !== 'string') {
      problem(`${key}.expression`, show(expression), 'the text of a JSONata expression');
    } else {
      try {
        const compiled = compileExpression(expression, limits);
        expressions.push({ name, evaluate: (record) => compiled.evaluate(record), coerce });
      } catch (error) {
        const reason = error instanceof Error ? error.message : String(error);
        problem(`${key}.expression`, reason, 'a JSONata expression');
      }
    }
  }
  if (problems.length > 0) throw fail();

  return compose(ids, fields, expressions);
}

function compose(
  ids: readonly FieldReader[],
  fields: readonly FieldTarget[],
  expressions: readonly ExpressionTarget[],
): Mapping {
  function mapFields(record: unknown): MappedRecord & { readonly values: unknown[] } {
    const wrong = whyNoRecord(record);
    if (wrong !== undefined) {
      const errors = [{ attribute: 'record', rule: 'object', message: wrong }];
      return { id: undefined, values: [], errors };
    }
    // map() makes a list of exactly this length; push() would reserve room for many more.
    const values = fields.map(({ read, coerce }) => toValue(read(record as object), coerce));
    const id = idOf(record as object, ids);
    return typeof id === 'string'
      ? { id, values, errors: NO_ERRORS }
      : { id: undefined, values, errors: [id] };
  }

  async function mapAll(record: unknown): Promise<MappedRecord> {
    const mapped = mapFields(record);
    if (whyNoRecord(record) !== undefined) return mapped;
    const { id, values } = mapped;
    const errors = [...mapped.errors];
    for (const { name, evaluate, coerce } of expressions) {
      let value: unknown;
      try {
        value = await evaluate(record);
      } catch (error) {
        // The engine's message may quote the record; its code does not.
        const code = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
        const message = `the expression of the mapping failed on this record (JSONata ${code})`;
        errors.push({ attribute: name, rule: 'expression', message });
      }
      values.push(toValue(value, coerce));
    }
    return { id, values, errors };
  }

  return {
    targets: [...fields, ...expressions].map(({ name }) => name),
    map: expressions.length > 0 ? mapAll : mapFields,
  };
}

function whyNoRecord(record: unknown): string | undefined {
  if (typeof record !== 'object' || record === null || Array.isArray(record)) {
    return `must be an object, and is ${show(record)}`;
  }
  return Object.hasOwn(record, '__proto__')
    ? 'has a field named __proto__, which is not allowed'
    : undefined;
}

function idOf(record: object, ids: readonly FieldReader[]): string | FieldError {
  for (const read of ids) {
    const found = read(record);
    if (found === undefined || found === null || found === '') continue;
    const id = typeof found === 'number' && Number.isSafeInteger(found) ? String(found) : found;
    if (
      typeof id === 'string' &&
      id.length <= MAX_ID_LENGTH &&
      id.isWellFormed() &&
      id.trim() !== '' &&
      !/\p{Cc}/u.test(id)
    ) {
      return id;
    }
    const message = `must be a text of 1 to ${MAX_ID_LENGTH} printable characters, or a whole number`;
    return { attribute: 'id', rule: 'id', message };
  }
  const message = 'is missing: the record has no value in any of the fields that identify it';
  return { attribute: 'id', rule: 'required', message };
}

function toValue(value: unknown, coerce: Coercion | undefined): unknown {
  if (value === undefined || value === null) return undefined;
  return coerce === undefined ? value : coerced(value, coerce);
}

function coerced(value: unknown, to: Coercion): unknown {
  if (to === 'string') {
    return typeof value === 'number' || typeof value === 'boolean' ? String(value) : value;
  }
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (to === 'number') {
    return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/.test(text) ? Number(text) : value;
  }
  const lower = text.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : value;
}

function isCoercion(value: unknown): value is Coercion | undefined {
  return value === undefined || value === 'string' || value === 'number' || value === 'boolean';
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function show(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
