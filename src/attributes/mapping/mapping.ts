import {
  hasLongNumber,
  holdsExactly,
  longNumber,
  standInFor,
  withStandIns,
} from '../../lib/json/exact-json.ts';
import { isJsonObject, kindOf } from '../../lib/json-object.ts';
import type { FieldError } from '../definitions/definition-check.ts';
import type { FieldReader } from './field-path.ts';

/** How the text of a CRM field becomes a value of another type; other text is left as it is. */
export type Coercion = 'string' | 'number' | 'boolean';

export interface MappedRecord {
  /** `undefined` when the record cannot be identified; then `errors` says why. */
  readonly id: string | undefined;
  /**
   * One value for each of the mapping's targets, in their order; `undefined` for fields that are
   * absent or null, and a stand-in (`longNumber`) for a number that cannot be held. Empty when the record is none at all.
   */
  readonly values: readonly unknown[];
  readonly errors: readonly FieldError[];
}

/** CRM record → attributes, as an operator wrote it down in a mapping file. */
export interface Mapping {
  /** The attributes that it feeds. */
  readonly targets: readonly string[];
  /** The fields of a record that it reads; `undefined` when it may read any. */
  readonly reads: ReadonlySet<string> | undefined;
  /** A promise only if the mapping has expressions. Never throws, never rejects. */
  map(record: unknown): MappedRecord | Promise<MappedRecord>;
}

export const MAX_ID_LENGTH = 256;

const NO_ERRORS: readonly FieldError[] = [];

export interface FieldTarget {
  readonly name: string;
  readonly read: FieldReader;
  readonly coerce: Coercion | undefined;
}

export interface ExpressionTarget {
  readonly name: string;
  readonly evaluate: (record: unknown) => Promise<unknown>;
  readonly coerce: Coercion | undefined;
}

/** @param ids the fields that identify a record, the first with a value counts. */
export function createMapping(
  ids: readonly FieldReader[],
  fields: readonly FieldTarget[],
  expressions: readonly ExpressionTarget[],
  reads: ReadonlySet<string> | undefined,
): Mapping {
  function mapFields(record: unknown): MappedRecord & { readonly values: unknown[] } {
    const wrong = whyNoRecord(record);
    if (wrong !== undefined) {
      const errors = [{ attribute: 'record', rule: 'object', message: wrong }];
      return { id: undefined, values: [], errors };
    }
    // map() makes a list of exactly this length; push() would reserve room for many more.
    const whole = (hasLongNumber(record) ? withStandIns(record) : record) as object;
    const values = fields.map(({ read, coerce }) => toValue(read(whole), coerce));
    const id = idOf(whole, ids);
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
    reads,
    map: expressions.length > 0 ? mapAll : mapFields,
  };
}

function whyNoRecord(record: unknown): string | undefined {
  if (!isJsonObject(record)) {
    return `must be an object, and is ${kindOf(record)}`;
  }
  return Object.hasOwn(record, '__proto__')
    ? 'has a field named __proto__, which is not allowed'
    : undefined;
}

function idOf(record: object, ids: readonly FieldReader[]): string | FieldError {
  for (const read of ids) {
    const given = read(record);
    const digits = longNumber(given);
    const found = digits !== undefined && /^-?\d+$/.test(digits) ? digits : given;
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
    return typeof value === 'number' || typeof value === 'boolean'
      ? String(value)
      : (longNumber(value) ?? value);
  }
  if (typeof value !== 'string') return value;
  const text = value.trim();
  if (to === 'number') {
    if (!/^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?$/.test(text)) return value;
    return holdsExactly(text) ? Number(text) : standInFor(text);
  }
  const lower = text.toLowerCase();
  return lower === 'true' ? true : lower === 'false' ? false : value;
}
