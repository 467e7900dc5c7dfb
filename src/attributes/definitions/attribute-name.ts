const PATTERN = /^[A-Za-z][A-Za-z0-9_.-]{0,127}$/;

/** `id` names the entity itself; the other two are doors to JavaScript's own objects. */
const RESERVED: ReadonlySet<string> = new Set(['id', 'constructor', 'prototype']);

/** What `isAttributeName` asks for, for messages. */
export const ATTRIBUTE_NAME_RULE =
  'a letter, then at most 127 letters, digits, "_", "." or "-", and none of id, constructor, prototype';

/** Whether a name may be written to: it becomes a property of the entity that is sent. */
export function isAttributeName(name: string): boolean {
  return PATTERN.test(name) && !RESERVED.has(name);
}
