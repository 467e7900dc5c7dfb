/** A line of the answer to an import that says what became of a record. */
export interface FateLine {
  readonly rejected?: {
    readonly line: number;
    readonly id: string | null;
    readonly errors: readonly { readonly attribute: string; readonly rule: string }[];
  };
  readonly failed?: {
    readonly line: number;
    readonly id: string;
    readonly error: string;
    readonly code: string;
    readonly attempted: boolean;
  };
  readonly superseded?: { readonly line: number; readonly id: string; readonly by: number };
}

/** Records of one fate and reason that had no line of their own in the answer. */
export interface UnlistedRecords {
  readonly fate: 'rejected' | 'failed' | 'superseded';
  /** `attribute rule` of each error; the code of a failure. */
  readonly reason: string;
  readonly records: number;
  /** First and last line of each range, in their order. */
  readonly ranges: readonly (readonly [number, number])[];
  /** `false`: the ranges hold lines of other fates as well, because there were too many of them. */
  readonly exact: boolean;
}

export interface UnlistedLines {
  add(line: FateLine): void;
  readonly all: readonly UnlistedRecords[];
}

interface Group {
  readonly fate: UnlistedRecords['fate'];
  readonly reason: string;
  records: number;
  ranges: [number, number][];
  /** Two ranges with less than this between them become one. */
  gap: number;
}

/** All groups together; some 10 MB, and as much in the answer. */
const MAX_RANGES = 100_000;
const MAX_REASONS = 100;
const OTHER = 'other reasons';

/** Keeps which records could not be listed one by one, in bounded memory. */
export function createUnlistedLines(maxRanges = MAX_RANGES): UnlistedLines {
  const groups = new Map<string, Group>();
  let count = 0;

  function groupOf(fate: Group['fate'], reason: string): Group {
    const isNew = !groups.has(`${fate} ${reason}`);
    const shown = isNew && groups.size >= MAX_REASONS ? OTHER : reason;
    const key = `${fate} ${shown}`;
    const group = groups.get(key) ?? { fate, reason: shown, records: 0, ranges: [], gap: 1 };
    groups.set(key, group);
    return group;
  }

  function note(group: Group, line: number): void {
    group.records += 1;
    const before = group.ranges.length;
    insert(group, line);
    count += group.ranges.length - before;
    while (count > maxRanges) {
      const [largest] = [...groups.values()].toSorted((a, b) => b.ranges.length - a.ranges.length);
      if (largest === undefined || largest.ranges.length <= 1) return;
      count -= coarsen(largest);
    }
  }

  return {
    add({ rejected, failed, superseded }) {
      if (rejected !== undefined) {
        note(groupOf('rejected', reasonOf(rejected.errors)), rejected.line);
      } else if (failed !== undefined) {
        note(groupOf('failed', failed.code), failed.line);
      } else if (superseded !== undefined) {
        note(groupOf('superseded', 'a later record has the same id'), superseded.line);
      }
    },
    get all() {
      return [...groups.values()].map(({ fate, reason, records, ranges }) => ({
        fate,
        reason,
        records,
        ranges,
        exact: records === ranges.reduce((sum, [from, to]) => sum + to - from + 1, 0),
      }));
    },
  };
}

function reasonOf(errors: readonly { readonly attribute: string; readonly rule: string }[]) {
  return [...new Set(errors.map(({ attribute, rule }) => `${attribute} ${rule}`))].join(', ');
}

/** Lines come nearly in their order: writes of several batches end in any. */
function insert({ ranges, gap }: Group, line: number): void {
  let at = ranges.length;
  while (at > 0 && (ranges[at - 1] as [number, number])[0] > line) at -= 1;
  const before = ranges[at - 1];
  const after = ranges[at];
  if (before !== undefined && line <= before[1]) return;
  const joinsBefore = before !== undefined && line - before[1] <= gap;
  const joinsAfter = after !== undefined && after[0] - line <= gap;
  if (joinsBefore && joinsAfter) {
    before[1] = after[1];
    ranges.splice(at, 1);
  } else if (joinsBefore) {
    before[1] = line;
  } else if (joinsAfter) {
    after[0] = line;
  } else {
    ranges.splice(at, 0, [line, line]);
  }
}

/** Joins what lies near to each other. @returns by how many ranges there are fewer. */
function coarsen(group: Group): number {
  const before = group.ranges.length;
  while (group.ranges.length > before / 2 && group.ranges.length > 1) {
    group.gap *= 2;
    const joined: [number, number][] = [];
    for (const [from, to] of group.ranges) {
      const last = joined.at(-1);
      if (last !== undefined && from - last[1] <= group.gap) last[1] = to;
      else joined.push([from, to]);
    }
    group.ranges = joined;
  }
  return before - group.ranges.length;
}
