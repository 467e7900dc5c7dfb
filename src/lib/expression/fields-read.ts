import { nodesOf } from './syntax-tree.ts';

/** What can look at all fields of an object, or at one by a name that is computed. */
const WHOLE_OBJECT = new Set([
  'each',
  'eval',
  'keys',
  'lookup',
  'merge',
  'sift',
  'spread',
  'string',
]);

/**
 * The names of the fields that an expression can read, and perhaps more: those below others and its
 * texts are among them. `undefined` when it can read any.
 *
 * @param root of `jsonata(source).ast()`
 */
export function fieldsRead(root: unknown): ReadonlySet<string> | undefined {
  const fields = new Set<string>();
  /** `$` and `$$` before a name: `$.a` reads no more than `a` does. */
  const harmless = new Set<unknown>();
  for (const node of nodesOf(root)) {
    const { type, value, steps } = node;
    if (type === 'path' && Array.isArray(steps)) {
      const [first, second] = steps as { readonly type?: unknown }[];
      if (second?.type === 'name') harmless.add(first);
    }
    if (type === 'wildcard' || type === 'descendant' || type === 'parent') return undefined;
    if ((type === 'name' || type === 'string') && typeof value === 'string') fields.add(value);
    if (type !== 'variable' || typeof value !== 'string') continue;
    if (WHOLE_OBJECT.has(value)) return undefined;
    if ((value === '' || value === '$') && !harmless.has(node)) return undefined;
  }
  return fields;
}
