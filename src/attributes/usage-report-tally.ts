import { compileDefinition } from './definition-check.ts';
import type { EffectiveDefinition } from './inheritance.ts';
import type { Conversation } from './ports.ts';
import { createConversationCounter } from './usage-report-conversations.ts';
import { attributesOf, isFilled, type UsageTally } from './usage-report-flat.ts';
import { createValueCounter, type ValueCounter } from './usage-report-values.ts';

/** Longer names are not tracked, and no more names than this beside the known ones. */
const MAX_NAME_LENGTH = 256;
const MAX_OTHER_NAMES = 10_000;

/** One attribute that was asked for. */
export interface AttributeDetail {
  populated: number;
  readonly values: ValueCounter;
  /** Conversations in which it was filled, by day of the period. */
  readonly perDay: Uint32Array;
}

/** Every attribute that was asked for, is defined, or is filled somewhere. */
export interface DetailedTally extends UsageTally {
  readonly asked: ReadonlyMap<string, AttributeDetail>;
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
  const asked = new Map<string, AttributeDetail>();
  const others = new Map<string, number>();
  let truncated = false;

  for (const name of names) {
    const known = definitions.get(name);
    const check = known && compileDefinition(known.definition, known.origin).check;
    const values = createValueCounter({ check });
    asked.set(name, { populated: 0, values, perDay: new Uint32Array(days) });
  }
  for (const name of definitions.keys()) if (!asked.has(name)) others.set(name, 0);
  const maxOthers = others.size + MAX_OTHER_NAMES;

  function countOther(name: string): void {
    const count = others.get(name);
    if (count === undefined && (others.size >= maxOthers || name.length > MAX_NAME_LENGTH)) {
      truncated = true;
    } else {
      others.set(name, (count ?? 0) + 1);
    }
  }

  /** It was counted for a later day first, because windows are fetched side by side. */
  function moveToEarlierDay(conversation: Conversation, former: number, day: number): void {
    for (const [name, value] of Object.entries(attributesOf(conversation))) {
      const perDay = asked.get(name)?.perDay;
      if (perDay === undefined || !isFilled(value) || perDay[former] === 0) continue;
      perDay[former] = (perDay[former] ?? 0) - 1;
      perDay[day] = (perDay[day] ?? 0) + 1;
    }
  }

  return {
    conversations,
    asked,
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
          const detail = asked.get(name);
          if (detail === undefined) {
            countOther(name);
          } else {
            detail.populated += 1;
            detail.values.add(value);
            detail.perDay[day] = (detail.perDay[day] ?? 0) + 1;
          }
        }
      }
    },
    populated() {
      const own = [...asked].map(([name, { populated }]): [string, number] => [name, populated]);
      return new Map([...own, ...others]);
    },
    get truncated() {
      return truncated;
    },
  };
}
