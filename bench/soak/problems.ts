/** What must not happen in a soak; one is enough to fail it. */
export interface Problems {
  add(kind: string, example: string): void;
  /** How many of this kind, or in all. */
  count(kind?: string): number;
  /** One line per kind, with the first examples. */
  lines(): readonly string[];
}

const MAX_EXAMPLES = 5;
const MAX_LENGTH = 600;

export function createProblems(): Problems {
  const kinds = new Map<string, { count: number; examples: string[] }>();
  return {
    add(kind, example) {
      const known = kinds.get(kind) ?? { count: 0, examples: [] };
      kinds.set(kind, known);
      known.count += 1;
      if (known.examples.length < MAX_EXAMPLES) known.examples.push(example.slice(0, MAX_LENGTH));
    },
    count: (kind) =>
      kind === undefined
        ? [...kinds.values()].reduce((sum, { count }) => sum + count, 0)
        : (kinds.get(kind)?.count ?? 0),
    lines: () =>
      Array.from(
        kinds,
        ([kind, { count, examples }]) => `${kind} (${count}):\n    ${examples.join('\n    ')}`,
      ),
  };
}
