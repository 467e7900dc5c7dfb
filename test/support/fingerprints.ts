import type { AttributeUpdate, Fingerprints } from '../../src/attributes/ports.ts';

export const update = (id: string, value: string | number = 'x'): AttributeUpdate => ({
  id,
  attributes: new Map([['a', value]]),
});

/** An import that writes as the test says. */
export function importOf(fingerprints: Fingerprints) {
  const writing = new Set<string>();
  const mine = fingerprints.open((id) => writing.has(id));
  return {
    has: async (one: AttributeUpdate) => (await mine.unchanged([one])).has(one),
    async begin(...updates: AttributeUpdate[]) {
      for (const { id } of updates) writing.add(id);
      const settle = await mine.announce(updates);
      return async (confirmed: readonly AttributeUpdate[]) => {
        await settle(confirmed);
        for (const { id } of updates) writing.delete(id);
      };
    },
    async write(...updates: AttributeUpdate[]) {
      await (await this.begin(...updates))(updates);
    },
  };
}
