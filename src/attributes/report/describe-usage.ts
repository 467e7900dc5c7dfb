import type { EffectiveDefinition } from '../definitions/inheritance.ts';
import type { AttributeDefinition } from '../ports.ts';
import type { AttributeDetail, DetailedTally } from './detailed-tally.ts';
import type { ValueCount } from './value-counter.ts';

/** Whose most frequent values a report shows: nobody's, those of enumerations, or all. */
export type ShownValues = 'off' | 'enumerations' | 'all';

export interface AttributeUsage {
  readonly populated: number;
  /** Share of the conversations in which it is filled, from 0 to 1, four decimals. */
  readonly rate: number;
  /** Different values; estimated (standard error 0.8 %) when not `exact`. */
  readonly distinct: { readonly count: number; readonly exact: boolean };
  /** Left out where values are not shown. */
  readonly topValues?: readonly ValueCount[] | undefined;
  /** Only when the counts are not exact: how far they may lie below the truth. */
  readonly topValuesErrorAtMost?: number | undefined;
  /** Days of the period, `2026-11-30`; `null` when it was never filled. */
  readonly firstDay: string | null;
  readonly lastDay: string | null;
  /** For every day of the period. */
  readonly perDay: readonly { readonly day: string; readonly count: number }[];
  /**
   * How many values break a rule of the definition: by the rule's type, `type` for values of
   * another data type, and `required` for conversations without the attribute.
   */
  readonly violations: Readonly<Record<string, number>>;
  readonly defined: boolean;
  /** The organisation unit that defines it. */
  readonly origin?: string | undefined;
}

export interface UsageDetail {
  readonly attributes: ReadonlyMap<string, AttributeUsage>;
  readonly definedNeverFilled: readonly { readonly attribute: string; readonly origin: string }[];
  /** The most filled first, at most 1000. */
  readonly filledNotDefined: readonly { readonly attribute: string; readonly populated: number }[];
  /** There were more attributes than could be tracked or listed in `filledNotDefined`. */
  readonly truncated: boolean;
}

const MAX_TOP_VALUES = 10;
const MAX_LISTED = 1000;

export function describeUsage(
  tally: DetailedTally,
  options: {
    /** The days of the period. */
    readonly days: readonly string[];
    readonly definitions: ReadonlyMap<string, EffectiveDefinition>;
    readonly showValues: ShownValues;
  },
): UsageDetail {
  const { definitions } = options;
  const conversations = tally.conversations.count;
  const populated = tally.populated();
  const attributes = new Map<string, AttributeUsage>();
  for (const [name, count] of tally.tracked) {
    if (count.detail === undefined) continue;
    attributes.set(
      name,
      describeAttribute(count.populated, count.detail, {
        ...options,
        conversations,
        known: definitions.get(name),
      }),
    );
  }
  const definedNeverFilled = [...definitions]
    .filter(([name]) => (populated.get(name) ?? 0) === 0)
    .map(([attribute, { origin }]) => ({ attribute, origin }));
  const filledNotDefined = [...populated]
    .filter(([name, count]) => count > 0 && !definitions.has(name))
    .map(([attribute, count]) => ({ attribute, populated: count }))
    .sort((a, b) => b.populated - a.populated || (a.attribute < b.attribute ? -1 : 1));
  return {
    attributes,
    definedNeverFilled,
    filledNotDefined: filledNotDefined.slice(0, MAX_LISTED),
    truncated: tally.truncated || filledNotDefined.length > MAX_LISTED,
  };
}

function describeAttribute(
  populated: number,
  { values, perDay }: AttributeDetail,
  context: {
    readonly days: readonly string[];
    readonly conversations: number;
    readonly known: EffectiveDefinition | undefined;
    readonly showValues: ShownValues;
  },
): AttributeUsage {
  const { days, conversations, known, showValues } = context;
  const filledDays = days.filter((_, index) => (perDay[index] ?? 0) > 0);
  const violations = new Map(values.violations);
  if (known?.definition.required === true && populated < conversations) {
    violations.set('required', conversations - populated);
  }
  // What is typed into an enumeration against its rules may be anything, names of people included.
  const validOnly = showValues === 'enumerations';
  const shown =
    showValues === 'all' || (validOnly && known !== undefined && isEnumeration(known.definition));
  const top = shown ? values.top(MAX_TOP_VALUES, { validOnly }) : undefined;
  return {
    populated,
    rate: conversations === 0 ? 0 : Math.round((populated / conversations) * 10_000) / 10_000,
    distinct: values.distinct(),
    topValues: top?.values,
    topValuesErrorAtMost: top?.exact === false ? top.errorAtMost : undefined,
    firstDay: filledDays[0] ?? null,
    lastDay: filledDays.at(-1) ?? null,
    perDay: days.map((day, index) => ({ day, count: perDay[index] ?? 0 })),
    violations: Object.fromEntries([...violations].sort(([a], [b]) => (a < b ? -1 : 1))),
    defined: known !== undefined,
    origin: known?.origin,
  };
}

/** A pattern that only lists its alternatives, such as `^(low|medium|high)$`. */
const ALTERNATIVES = /^\^\((?:\?:)?[^()[\]{}*+?.\\^$]{1,4000}\)\$$/;

/** Whether the definition itself says what all the values are, so that they show nothing private. */
export function isEnumeration(definition: AttributeDefinition): boolean {
  return (
    definition.type === 'boolean' ||
    definition.validationRules.some(
      ({ type, value }) =>
        type === 'regex' && typeof value === 'string' && ALTERNATIVES.test(value),
    )
  );
}
