import { cutText } from '../../lib/cut-text.ts';
import type { FieldError } from '../definitions/definition-check.ts';
import { createDistinctEstimate, type DistinctEstimate } from './distinct-estimate.ts';
import { hashText } from './hash-text.ts';

/** Longer texts are counted by their beginning and a hash. */
const MAX_TEXT = 200;
const SHOWN_TEXT = 100;

export interface ValueCount {
  readonly value: string | number | boolean;
  /** When not exact: at least this many. */
  readonly count: number;
}

export interface TopValues {
  readonly values: readonly ValueCount[];
  /** False when there were too many different values to count each of them. */
  readonly exact: boolean;
  /** How far the counts may lie below the truth. */
  readonly errorAtMost: number;
}

/** Different values of one attribute and how often each was seen, in bounded memory. */
export interface ValueCounter {
  add(value: unknown): void;
  /** Exact up to `maxValues`, then estimated. */
  distinct(): { readonly count: number; readonly exact: boolean };
  /** The most frequent first; `validOnly` leaves out what breaks the definition. */
  top(limit: number, options: { readonly validOnly: boolean }): TopValues;
  /** Broken rules of the definition and how many values broke each. */
  readonly violations: ReadonlyMap<string, number>;
}

export interface ValueCounterOptions {
  /** Says which rules a value breaks; asked once for each different value while it is remembered. */
  readonly check?: ((value: unknown) => readonly FieldError[]) | undefined;
  /** Default 1000. */
  readonly maxValues?: number | undefined;
}

interface Entry {
  count: number;
  readonly broken: readonly string[];
}

const NOTHING_BROKEN: readonly string[] = [];

export function createValueCounter(options: ValueCounterOptions = {}): ValueCounter {
  const { check, maxValues = 1000 } = options;
  const entries = new Map<string | number | boolean, Entry>();
  const violations = new Map<string, number>();
  let estimate: DistinctEstimate | undefined;
  let subtracted = 0;

  /**
   * Frequent items after Misra and Gries, in rounds: the median count is taken off all, and who
   * has nothing left goes. No count is more than `subtracted` too low.
   */
  function prune(): void {
    if (estimate === undefined) {
      estimate = createDistinctEstimate();
      for (const value of entries.keys()) estimate.add(distinctText(value));
    }
    const counts = Float64Array.from(entries.values(), ({ count }) => count).sort();
    const median = counts[counts.length >> 1] ?? 1;
    subtracted += median;
    for (const [value, entry] of entries) {
      entry.count -= median;
      if (entry.count <= 0) entries.delete(value);
    }
  }

  return {
    violations,
    add(raw) {
      const value = countable(raw);
      let entry = entries.get(value);
      if (entry === undefined) {
        const errors = check?.(raw) ?? [];
        const broken =
          errors.length === 0 ? NOTHING_BROKEN : [...new Set(errors.map((e) => e.rule))];
        entry = { count: 0, broken };
        entries.set(value, entry);
        estimate?.add(distinctText(value));
      }
      entry.count += 1;
      for (const rule of entry.broken) violations.set(rule, (violations.get(rule) ?? 0) + 1);
      if (entries.size > maxValues) prune();
    },
    distinct() {
      return estimate === undefined
        ? { count: entries.size, exact: true }
        : { count: estimate.count, exact: false };
    },
    top(limit, { validOnly }) {
      const values = [...entries]
        .filter(([, { count, broken }]) => count > subtracted && !(validOnly && broken.length > 0))
        .sort(([a, { count: m }], [b, { count: n }]) => n - m || (String(a) < String(b) ? -1 : 1))
        .slice(0, limit)
        .map(([value, { count }]) => ({ value, count }));
      return { values, exact: subtracted === 0, errorAtMost: subtracted };
    },
  };
}

/** Something a Map distinguishes by its content: 1 and "1" differ, two equal lists do not. */
function countable(value: unknown): string | number | boolean {
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  if (text.length <= MAX_TEXT) return text;
  const hash = hashText(text, 0).map((half) => half.toString(16).padStart(8, '0'));
  return `${cutText(text, SHOWN_TEXT)}… (${text.length} characters, #${hash.join('')})`;
}

function distinctText(value: string | number | boolean): string {
  return typeof value === 'string' ? `"${value}` : String(value);
}
