/** A policy of the bus may bar some events and not others: see `Outlet.groupOf`. */
export interface BarredGroup {
  /** `performance.now()` of the first call in which it was barred; none of it was accepted since. */
  readonly sinceMs: number;
  /** An event of it used up its retries while others passed: no other needs any. */
  readonly condemned: boolean;
}

/** The groups of which the bus takes nothing, as far as was seen. */
export interface BarredGroups {
  find(group: string): BarredGroup | undefined;
  /** In a call that began at `startedMs`. */
  bar(group: string, startedMs: number): void;
  condemn(group: string): void;
  /** The bus took these. */
  passed(events: readonly { readonly group: string }[]): void;
}

/** Sources and types come from outside; the one that was barred first is forgotten. */
const MAX_GROUPS = 1000;

export function createBarredGroups(): BarredGroups {
  const groups = new Map<string, BarredGroup>();

  return {
    find: (group) => groups.get(group),
    bar(group, startedMs) {
      if (groups.has(group)) return;
      groups.set(group, { sinceMs: startedMs, condemned: false });
      const [oldest] = groups.keys();
      if (groups.size > MAX_GROUPS && oldest !== undefined) groups.delete(oldest);
    },
    condemn(group) {
      const known = groups.get(group);
      if (known !== undefined) groups.set(group, { ...known, condemned: true });
    },
    passed(events) {
      if (groups.size === 0) return;
      for (const { group } of events) groups.delete(group);
    },
  };
}
