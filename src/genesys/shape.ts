import { isJsonObject, type JsonObject, kindOf } from '../lib/json-object.ts';

/** An answer is not shaped as the contract says; the message names the member at fault. */
export class ShapeError extends Error {
  override name = 'ShapeError';
}

export function record(value: unknown, name: string): JsonObject {
  if (isJsonObject(value)) return value;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of an object`);
}

export function list(value: unknown, name: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of a list`);
}

export function text(value: unknown, name: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of a text`);
}

/** The member when it is there; `null` counts as absent, as in most of Genesys' answers. */
export function optionalText(value: unknown, name: string): string | undefined {
  if (value === undefined || value === null || typeof value === 'string') return value ?? undefined;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of a text`);
}

export function optionalNumber(value: unknown, name: string): number | undefined {
  if (value === undefined || value === null || typeof value === 'number') return value ?? undefined;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of a number`);
}

export function optionalBoolean(value: unknown, name: string): boolean | undefined {
  if (value === undefined || value === null || typeof value === 'boolean')
    return value ?? undefined;
  throw new ShapeError(`${name} is ${nameOf(value)} instead of true or false`);
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing';
  return value === '' ? 'empty' : kindOf(value);
}
