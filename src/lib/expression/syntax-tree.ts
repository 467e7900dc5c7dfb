/** Every object of a syntax tree of `jsonata(source).ast()`, each once. */
export function* nodesOf(root: unknown): Generator<Readonly<Record<string, unknown>>> {
  const seen = new Set<object>();
  const open: unknown[] = [root];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node !== 'object' || node === null || seen.has(node)) continue;
    seen.add(node);
    yield node as Readonly<Record<string, unknown>>;
    open.push(...(Object.values(node) as unknown[]));
  }
}
