const WINDOW_MS = 300_000;

/** What a FIFO queue took under a de-duplication id in the last five minutes, deleted or not. */
export function createDeduplication<T>() {
  const taken = new Map<string, { readonly message: T; readonly until: number }>();
  return {
    /** @param at epoch milliseconds */
    find(id: string | undefined, at: number): T | undefined {
      // The oldest come first.
      for (const [old, { until }] of taken) {
        if (until > at) break;
        taken.delete(old);
      }
      return id === undefined ? undefined : taken.get(id)?.message;
    },
    /** @param at epoch milliseconds */
    remember(id: string | undefined, message: T, at: number): void {
      if (id !== undefined) taken.set(id, { message, until: at + WINDOW_MS });
    },
    clear: () => taken.clear(),
  };
}
