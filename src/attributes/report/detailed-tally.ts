import { compileDefinition } from '../definitions/definition-check.ts';
import type { EffectiveDefinition } from '../definitions/inheritance.ts';
import type { Conversation } from '../ports.ts';
import { createConversationCounter } from './conversation-counter.ts';
import { attributesOf, isFilled, type UsageTally } from './flat-tally.ts';
import { createValueCounter, type ValueCounter } from './value-counter.ts';

/** Longer names are not tracked, and no more names than this beside the known ones. */
const MAX_NAME_LENGTH = 256;
const MAX_OTHER_NAMES = 10_000;

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
  readonly names: readonly string[];
  /** Length of the period in UTC days, those in part included. */
  readonly days: number;
  readonly definitions: ReadonlyMap<string, EffectiveDefinition>;
}

export function createDetailedTally(options: DetailedTallyOptions): DetailedTally {
  const { names, days, definitions } = options;
  const conversations = createConversationCounter();
  const tracked = new Map<string, AttributeCount>();
  let truncated = false;

  for (const name of names) {
    const known = definitions.get(name);
    const check = known && compileDefinition(known.definition, known.origin).check;
    const values = createValueCounter({ check });
    tracked.set(name, { populated: 0, detail: { values, perDay: new Uint32Array(days) } });
  }
  for (const name of definitions.keys()) if (!tracked.has(name)) track(name);
  const maxTracked = tracked.size + MAX_OTHER_NAMES;

  function track(name: string): AttributeCount {
    const count = { populated: 0, detail: undefined };
    tracked.set(name, count);
    return count;
  }

  function countOf(name: string): AttributeCount | undefined {
    const known = tracked.get(name);
    if (known !== undefined) return known;
    if (tracked.size < maxTracked && name.length <= MAX_NAME_LENGTH) return track(name);
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
