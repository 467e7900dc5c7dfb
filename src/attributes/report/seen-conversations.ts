import { hashText } from './hash-text.ts';

const FIRST_SLOTS = 4096;

/** Which conversations were seen, and the earliest day of each, in about 20 bytes each. */
export interface SeenConversations {
  /** Remembers its earliest day; returns the earliest day that it was remembered for before. */
  note(conversationId: string, day: number): number | undefined;
  /** No more can be remembered: what comes now is taken for new. */
  readonly full: boolean;
  /** Gives the memory back at once instead of at some later collection. Nothing works after it. */
  release(): void;
}

/**
 * A hash table of 53-bit fingerprints of the ids. Two of a million ids share a fingerprint with a
 * probability of 1 in 18 000; one of them would then go uncounted.
 */
export function createSeenConversations(maxConversations: number): SeenConversations {
  let fingerprints = new Float64Array(FIRST_SLOTS);
  let days = new Uint16Array(FIRST_SLOTS);
  let count = 0;

  /** The slot that holds the fingerprint, or the empty one where it belongs. */
  function slotOf(fingerprint: number): number {
    const mask = fingerprints.length - 1;
    let slot = fingerprint & mask;
    for (
      let held = fingerprints[slot];
      held !== 0 && held !== fingerprint;
      held = fingerprints[slot]
    ) {
      slot = (slot + 1) & mask;
    }
    return slot;
  }

  function grow(): void {
    const old = { fingerprints, days };
    fingerprints = new Float64Array(old.fingerprints.length * 2);
    days = new Uint16Array(old.days.length * 2);
    for (let index = 0; index < old.fingerprints.length; index += 1) {
      const fingerprint = old.fingerprints[index] ?? 0;
      if (fingerprint === 0) continue;
      const slot = slotOf(fingerprint);
      fingerprints[slot] = fingerprint;
      days[slot] = old.days[index] ?? 0;
    }
    free(old.fingerprints);
    free(old.days);
  }

  return {
    note(conversationId, day) {
      const fingerprint = fingerprintOf(conversationId);
      const slot = slotOf(fingerprint);
      if (fingerprints[slot] === fingerprint) {
        const former = days[slot] ?? 0;
        days[slot] = Math.min(former, day);
        return former;
      }
      if (count >= maxConversations) return undefined;
      fingerprints[slot] = fingerprint;
      days[slot] = day;
      count += 1;
      if (count > fingerprints.length * 0.75) grow();
      return undefined;
    },
    get full() {
      return count >= maxConversations;
    },
    release() {
      free(fingerprints);
      free(days);
    },
  };
}

/** Transferred to nothing, the memory is free now; a garbage collector may take its time. */
function free(array: Float64Array<ArrayBuffer> | Uint16Array<ArrayBuffer>): void {
  array.buffer.transfer(0);
}

/** From 1 to 2^53: 0 marks an empty slot. `&` sees its low 32 bits. */
function fingerprintOf(id: string): number {
  const [high, low] = hashText(id, 0);
  return (high & 0x1fffff) * 2 ** 32 + low + 1;
}
