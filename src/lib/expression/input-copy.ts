import { nodesOf } from './syntax-tree.ts';

/**
 * Whether the interpreter may write to what it is given. jsonata 2.2.2 pushes into an empty list
 * that it groups (`list{…}`, and `{…}` with a list as context), sets marks on lists (`list[]`,
 * `@$x`, `#$i`), and writes to whatever the pattern of a transformation (`|…|…|`) finds; `$eval`
 * may be any of these.
 */
export function mayChangeInput(tree: unknown): boolean {
  for (const node of nodesOf(tree)) {
    const { type, value } = node;
    if (type === 'transform' || node['group'] !== undefined) return true;
    if (type === 'unary' && value === '{') return true;
    if (type === 'variable' && value === 'eval') return true;
    if (node['keepArray'] === true || node['keepSingletonArray'] === true) return true;
    if (node['tuple'] === true) return true;
  }
  return false;
}

/** A copy of JSON data for an expression that may write to it. */
export function copyForWriting(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    return value.length === 0 ? createEmptyList() : value.map((item) => copyForWriting(item));
  }
  const copy: Record<string, unknown> = {};
  for (const [key, item] of Object.entries(value)) {
    const itemCopy = copyForWriting(item);
    if (key !== '__proto__') copy[key] = itemCopy;
    else Object.defineProperty(copy, key, { value: itemCopy, enumerable: true });
  }
  return copy;
}

/**
 * An empty list that stays empty for the rest of the expression too. Grouping asks for the length,
 * pushes one `undefined`, and asks again, all in one go: only this second question gets a 1.
 */
function createEmptyList(): unknown[] {
  let isGrouped = false;
  return new Proxy<unknown[]>([], {
    get(target, key, receiver) {
      if (key === 'push') return () => (isGrouped = true);
      if (key !== 'length' || !isGrouped) return Reflect.get(target, key, receiver) as unknown;
      isGrouped = false;
      return 1;
    },
  });
}
