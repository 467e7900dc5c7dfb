import type { TakenEvent } from '../taken-event.ts';

/**
 * Events that were held so often that one of them may be what ends processes. Who was held as often
 * as that one was there each time and would be given up like it: so the less suspect go first, and of
 * equals those on one side of it, the next time those on the other.
 */
export interface Suspects {
  add(event: TakenEvent, holds: number): void;
  next(): TakenEvent | undefined;
  takeAll(): readonly TakenEvent[];
  readonly size: number;
}

/** From so many holds on an event is suspect. */
export const SUSPECT_FROM_HOLDS = 3;

export function createSuspects(): Suspects {
  const suspects: { readonly event: TakenEvent; readonly holds: number }[] = [];

  return {
    add: (event, holds) => void suspects.push({ event, holds }),
    next() {
      const fewest = Math.min(...suspects.map(({ holds }) => holds));
      const hasFewest = ({ holds }: { readonly holds: number }) => holds === fewest;
      const index =
        fewest % 2 === 1 ? suspects.findIndex(hasFewest) : suspects.findLastIndex(hasFewest);
      return index < 0 ? undefined : suspects.splice(index, 1)[0]?.event;
    },
    takeAll: () => suspects.splice(0).map(({ event }) => event),
    get size() {
      return suspects.length;
    },
  };
}
