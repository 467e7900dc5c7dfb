import type { BusEntry } from '../ports.ts';
import type { PendingEvent } from './pending-event.ts';

/** A policy of the bus may bar events by their source and type: these are one group. */
export interface BarredGroup {
  /** `performance.now()` of the first call in which it was barred; none of it was accepted since. */
  readonly sinceMs: number;
  /** An event of it used up its retries while others passed: no other needs any. */
  readonly condemned: boolean;
}

/** The groups of which the bus takes nothing, as far as was seen. */
export interface BarredGroups {
  find(entry: BusEntry): BarredGroup | undefined;
  /** In a call that began at `startedMs`. */
  bar(entry: BusEntry, startedMs: number): void;
  condemn(entry: BusEntry): void;
  /** The bus took these. */
  passed(events: readonly PendingEvent[]): void;
}

/** Sources and types come from outside; the one that was barred first is forgotten. */
const MAX_GROUPS = 1000;

export function createBarredGroups(): BarredGroups {
  const groups = new Map<string, BarredGroup>();

  return {
    find: (entry) => groups.get(groupOf(entry)),
    bar(entry, startedMs) {
      const group = groupOf(entry);
      if (groups.has(group)) return;
      groups.set(group, { sinceMs: startedMs, condemned: false });
      const [oldest] = groups.keys();
      if (groups.size > MAX_GROUPS && oldest !== undefined) groups.delete(oldest);
    },
    condemn(entry) {
      const group = groups.get(groupOf(entry));
      if (group !== undefined) groups.set(groupOf(entry), { ...group, condemned: true });
    },
    passed(events) {
      if (groups.size === 0) return;
      for (const { entry } of events) groups.delete(groupOf(entry));
    },
  };
}

export function groupOf({ source, detailType }: BusEntry): string {
  return `${source}\n${detailType}`;
}
