import { BridgeError } from '../../errors.ts';
import { compileDefinition } from '../definitions/definition-check.ts';
import type { EffectiveDefinition } from '../definitions/inheritance.ts';
import type { Conversation } from '../ports.ts';
import { createConversationCounter } from './conversation-counter.ts';
import { attributesOf, isFilled, type UsageTally } from './flat-tally.ts';
import { createValueCounter, type ValueCounter } from './value-counter.ts';

/** Longer names are not tracked, and no more names than this beside the known ones. */
const MAX_NAME_LENGTH = 256;
const MAX_OTHER_NAMES = 10_000;
/** Of all attributes, when they are asked for without their names. */
export const MAX_ALL_ATTRIBUTES = 500;
/** Then fewer values of each are told apart, so that the memory stays the same. */
const MAX_VALUES_OF_ALL = 200;

/** In place of names: every attribute that is defined or filled. */
export const ALL_ATTRIBUTES = '*';

/** Names, each once, or all there are. */
export type AskedAttributes = readonly string[] | typeof ALL_ATTRIBUTES;

export interface AttributeCount {
  populated: number;
  /** Of the attributes that were asked for. */
  readonly detail: AttributeDetail | undefined;
}

export interface AttributeDetail {
  readonly values: ValueCounter;
  /** Conversations in which it was filled, by day of the period. */
  readonly perDay: Uint32Array;
}

/** Every attribute that was asked for, is defined, or is filled somewhere. */
export interface DetailedTally extends UsageTally {
  readonly tracked: ReadonlyMap<string, AttributeCount>;
  /** More names were filled than are tracked; those asked for or defined are always counted. */
  readonly truncated: boolean;
}

export interface DetailedTallyOptions {
  readonly names: AskedAttributes;
  /** Whether more than the number is wanted of the attributes that were asked for. */
  readonly details: boolean;
  /** Length of the period in days, those in part included. */
  readonly days: number;
  readonly definitions: ReadonlyMap<string, EffectiveDefinition>;
}

/** @throws BridgeError `report_too_many_attributes`, here or while it counts, when all are asked for. */
export function createDetailedTally(options: DetailedTallyOptions): DetailedTally {
  const { days, definitions } = options;
  const isAll = options.names === ALL_ATTRIBUTES;
  const names = isAll ? [...definitions.keys()] : options.names;
  const conversations = createConversationCounter();
  const tracked = new Map<string, AttributeCount>();
  let truncated = false;

  if (isAll && names.length > MAX_ALL_ATTRIBUTES) throw tooManyAttributes();
  for (const name of names) track(name, options.details);
  for (const name of definitions.keys()) if (!tracked.has(name)) track(name, false);
  const maxTracked = isAll ? MAX_ALL_ATTRIBUTES : tracked.size + MAX_OTHER_NAMES;

  function track(name: string, withDetail: boolean): AttributeCount {
    const count = { populated: 0, detail: withDetail ? detailOf(name) : undefined };
    tracked.set(name, count);
    return count;
  }

  function detailOf(name: string): AttributeDetail {
    const known = definitions.get(name);
    const check = known && compileDefinition(known.definition, known.origin).check;
    const maxValues = isAll ? MAX_VALUES_OF_ALL : undefined;
    return { values: createValueCounter({ check, maxValues }), perDay: new Uint32Array(days) };
  }

  function countOf(name: string): AttributeCount | undefined {
    const known = tracked.get(name);
    if (known !== undefined) return known;
    if (tracked.size < maxTracked && name.length <= MAX_NAME_LENGTH) {
      return track(name, isAll && options.details);
    }
    if (isAll) throw tooManyAttributes();
    truncated = true;
    return undefined;
  }

  /** It was counted for a later day first, because windows are fetched side by side. */
  function moveToEarlierDay(conversation: Conversation, former: number, day: number): void {
    for (const [name, value] of Object.entries(attributesOf(conversation))) {
      const perDay = tracked.get(name)?.detail?.perDay;
      if (perDay === undefined || !isFilled(value) || perDay[former] === 0) continue;
      perDay[former] = (perDay[former] ?? 0) - 1;
      perDay[day] = (perDay[day] ?? 0) + 1;
    }
  }

  return {
    conversations,
    tracked,
    add(page, day) {
      for (const conversation of page) {
        const former = conversations.add(conversation, day);
        if (former !== undefined) {
          if (former > day) moveToEarlierDay(conversation, former, day);
          continue;
        }
        const attributes = attributesOf(conversation);
        for (const name of Object.keys(attributes)) {
          const value = attributes[name];
          if (!isFilled(value)) continue;
          const count = countOf(name);
          if (count === undefined) continue;
          count.populated += 1;
          if (count.detail === undefined) continue;
          count.detail.values.add(value);
          count.detail.perDay[day] = (count.detail.perDay[day] ?? 0) + 1;
        }
      }
    },
    populated: () => new Map(Array.from(tracked, ([name, { populated }]) => [name, populated])),
    get truncated() {
      return truncated;
    },
  };
}

function tooManyAttributes(): BridgeError {
  return new BridgeError(
    `More than ${MAX_ALL_ATTRIBUTES} attributes are defined or filled in the period, or one has a name of more than ${MAX_NAME_LENGTH} characters; ask for those that matter by name: filledNotDefined of a report with details lists them`,
    {
      code: 'report_too_many_attributes',
      kind: 'reject',
      details: { maxAttributes: MAX_ALL_ATTRIBUTES },
    },
  );
}
