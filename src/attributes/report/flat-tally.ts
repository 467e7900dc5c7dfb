import type { Conversation } from '../ports.ts';
import { type ConversationCounter, createConversationCounter } from './conversation-counter.ts';

/** Counts one page after the other; keeps counters, never conversations. */
export interface UsageTally {
  /** `day` is the first of the window that the page came from, counted within the period. */
  add(page: readonly Conversation[], day: number): void;
  readonly conversations: ConversationCounter;
  /** How often each attribute was filled. */
  populated(): ReadonlyMap<string, number>;
}

/** A value counts as filled when it is there and neither null nor an empty text. */
export function isFilled(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '';
}

const NO_ATTRIBUTES: Readonly<Record<string, unknown>> = {};

export function attributesOf(conversation: Conversation): Readonly<Record<string, unknown>> {
  const attributes: unknown = conversation.customAttributes;
  return typeof attributes === 'object' && attributes !== null && !Array.isArray(attributes)
    ? (attributes as Readonly<Record<string, unknown>>)
    : NO_ATTRIBUTES;
}

/** Counts the given attributes and looks at nothing else. */
export function createFlatTally(names: readonly string[]): UsageTally {
  const conversations = createConversationCounter();
  const counts = new Float64Array(names.length);

  return {
    conversations,
    add(page, day) {
      for (const conversation of page) {
        if (conversations.add(conversation, day) !== undefined) continue;
        const attributes = attributesOf(conversation);
        for (let index = 0; index < names.length; index += 1) {
          const name = names[index] ?? '';
          if (Object.hasOwn(attributes, name) && isFilled(attributes[name])) {
            counts[index] = (counts[index] ?? 0) + 1;
          }
        }
      }
    },
    populated: () => new Map(names.map((name, index) => [name, counts[index] ?? 0])),
  };
}
