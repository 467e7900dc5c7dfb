/** Reads one field of a record; `undefined` when it is not there. */
export type FieldReader = (record: object) => unknown;

/** Path parts that would leave the record's own data. */
const FORBIDDEN: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const MAX_LENGTH = 500;

/**
 * Compiles `name` or `a.b.c` (list positions as numbers: `items.0.sku`). Only own properties are
 * followed. A field whose own name has the dots (a CSV header) wins over the path.
 *
 * @returns `undefined` when the path cannot be used.
 */
export function compileFieldPath(path: unknown): FieldReader | undefined {
  if (typeof path !== 'string' || path === '' || path.length > MAX_LENGTH) return undefined;
  const parts = path.split('.');
  if (parts.some((part) => part === '' || FORBIDDEN.has(part))) return undefined;
  if (parts.length === 1) return (record) => own(record, path);
  return (record) => {
    const whole = own(record, path);
    if (whole !== undefined) return whole;
    let value: unknown = record;
    for (const part of parts) {
      if (typeof value !== 'object' || value === null) return undefined;
      value = own(value, part);
    }
    return value;
  };
}

function own(object: object, name: string): unknown {
  return Object.hasOwn(object, name) ? (object as Record<string, unknown>)[name] : undefined;
}
