import { leaveToInterpreter } from './functions.ts';
import type { Evaluate } from './operators.ts';

export interface ArrayItem {
  /** Written as an array itself, so it stays one item. */
  readonly isArray: boolean;
  readonly evaluate: Evaluate;
}

/** `[…]`: lists are flattened into it, but for those that are written as one. */
export function arrayConstructor(items: readonly ArrayItem[], maxSequence: number): Evaluate {
  return (input, frame) => {
    const result: unknown[] = [];
    for (const item of items) {
      const value = item.evaluate(input, frame);
      if (value === undefined) continue;
      if (Array.isArray(value) && !item.isArray) result.push(...(value as unknown[]));
      else result.push(value);
    }
    if (result.length > maxSequence) leaveToInterpreter();
    return result;
  };
}

export interface ObjectField {
  readonly key: Evaluate;
  readonly value: Evaluate;
}

/** Marks of JSONata's own, and the one name that a plain object does not take as a field. */
const RESERVED_KEYS = new Set(['_jsonata_lambda', '_jsonata_function', '__proto__']);

/** `{…}` over a single value; over a list it groups, which is the interpreter's. */
export function objectConstructor(fields: readonly ObjectField[]): Evaluate {
  return (input, frame) => {
    if (Array.isArray(input)) return leaveToInterpreter();
    const result: Record<string, unknown> = {};
    const keys = new Set<string>();
    for (const { key, value } of fields) {
      const keyText = key(input, frame);
      if (keyText === undefined) continue;
      if (typeof keyText !== 'string' || keys.has(keyText) || RESERVED_KEYS.has(keyText)) {
        return leaveToInterpreter();
      }
      keys.add(keyText);
      const fieldValue = value(input, frame);
      if (fieldValue !== undefined) result[keyText] = fieldValue;
    }
    return result;
  };
}
