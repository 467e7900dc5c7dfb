/** Plain numbers since the start, of what was held of the shared buffer. */
export interface HoldCounts {
  held: number;
  /** Holds that ended before their event was settled: as many events may be published twice. */
  ended: number;
  givenBack: number;
  /** Messages that hold no event. */
  unreadable: number;
  /** Events given up after too many holds. */
  poisoned: number;
  /** Letters that the dead-letter queue refused for good; their events stay in the buffer. */
  lettersRefused: number;
}

export function createHoldCounts(): HoldCounts {
  return { held: 0, ended: 0, givenBack: 0, unreadable: 0, poisoned: 0, lettersRefused: 0 };
}
