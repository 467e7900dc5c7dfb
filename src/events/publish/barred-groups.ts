import type { BusEntry } from '../ports.ts';
import type { PendingEvent } from './pending-event.ts';

/** A policy of the bus may bar events by their source and type: these are one group. */
export interface BarredGroup {
  /** `performance.now()` from when on what passes shows that it is not the bus that takes nothing. */
  readonly sinceMs: number;
  /** An event of it used up its retries while others passed: no other needs any. */
  readonly condemned: boolean;
}

/** Which groups the bus takes and which it bars, as far as was seen. */
export interface BarredGroups {
  /** What is to be known when an event of this group is barred. */
  find(entry: BusEntry): BarredGroup | undefined;
  /** Whether it was barred, and none of its group was accepted since. */
  has(entry: BusEntry): boolean;
  /** In a call that began at `startedMs`. */
  bar(entry: BusEntry, startedMs: number): void;
  condemn(entry: BusEntry): void;
  /** The bus took these. */
  passed(events: readonly PendingEvent[]): void;
}

/** Sources and types come from outside. With more of them less is known of each. */
const MAX_GROUPS = 1000;

export function createBarredGroups(): BarredGroups {
  const barred = new Map<string, BarredGroup>();
  const accepted = new Set<string>();
  let last: BusEntry | undefined;

  /**
   * None of it was ever accepted, others were, and none of those is barred now: then it is this
   * group, and not the bus, also where nothing else is there to show it.
   */
  function isStranger(group: string): boolean {
    if (accepted.has(group) || accepted.size === 0 || accepted.size >= MAX_GROUPS) return false;
    return ![...barred.keys()].some((other) => accepted.has(other));
  }

  return {
    find(entry) {
      const group = groupOf(entry);
      const known = barred.get(group);
      if (!isStranger(group)) return known;
      return { sinceMs: -Infinity, condemned: known?.condemned === true };
    },
    has: (entry) => barred.has(groupOf(entry)),
    bar(entry, startedMs) {
      const group = groupOf(entry);
      if (barred.has(group)) return;
      barred.set(group, { sinceMs: startedMs, condemned: false });
      const [oldest] = barred.keys();
      if (barred.size > MAX_GROUPS && oldest !== undefined) barred.delete(oldest);
    },
    condemn(entry) {
      const group = barred.get(groupOf(entry));
      if (group !== undefined) barred.set(groupOf(entry), { ...group, condemned: true });
    },
    passed(events) {
      for (const { entry } of events) {
        // Nearly always the same again.
        const isNews = entry.source !== last?.source || entry.detailType !== last.detailType;
        if (isNews && accepted.size < MAX_GROUPS) accepted.add(groupOf(entry));
        if (barred.size > 0) barred.delete(groupOf(entry));
        last = entry;
      }
    },
  };
}

export function groupOf({ source, detailType }: BusEntry): string {
  return `${source}\n${detailType}`;
}
