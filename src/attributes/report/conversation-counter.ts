import type { Conversation } from '../ports.ts';
import { createSeenConversations } from './seen-conversations.ts';

/**
 * Counts conversations, each once. Windows are half-open and disjoint, but a remote system may
 * still name a long conversation in two of them, or on two pages: then its id decides.
 */
export interface ConversationCounter {
  /**
   * Counts one that came from a window that begins on `day` (of the period).
   *
   * @returns `undefined` when it is new, else the earliest day it was known for so far.
   */
  add(conversation: Conversation, day: number): number | undefined;
  /** Different conversations so far. */
  readonly count: number;
  /** How many came again and were left out. */
  readonly repeated: number;
  /** Whether each could be checked: false when ids are missing, or too many to remember. */
  readonly allChecked: boolean;
  /** Forgets the ids; the figures stay. */
  release(): void;
}

/** @param maxRemembered how many ids are remembered; three million take some 42 MB. */
export function createConversationCounter(maxRemembered = 3_000_000): ConversationCounter {
  const seen = createSeenConversations(maxRemembered);
  let count = 0;
  let repeated = 0;
  let allChecked = true;

  return {
    add({ conversationId }, day) {
      if (typeof conversationId !== 'string' || conversationId === '' || seen.full) {
        allChecked = false;
      }
      const former =
        typeof conversationId === 'string' && conversationId !== ''
          ? seen.note(conversationId, day)
          : undefined;
      if (former === undefined) count += 1;
      else repeated += 1;
      return former;
    },
    release: () => seen.release(),
    get count() {
      return count;
    },
    get repeated() {
      return repeated;
    },
    get allChecked() {
      return allChecked;
    },
  };
}
