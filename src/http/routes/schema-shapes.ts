import type { JsonSchema } from '../route.ts';

/** A number of things. */
export const count = { type: 'integer', minimum: 0 } as const;

/** An object with exactly these members, all of them required. */
export function closedObject(properties: Readonly<Record<string, unknown>>): JsonSchema {
  return {
    type: 'object',
    required: Object.keys(properties),
    additionalProperties: false,
    properties,
  };
}
