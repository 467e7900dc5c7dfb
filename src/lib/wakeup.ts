import { onAbort } from './on-abort.ts';

/** Lets one loop sleep until another part has something for it. */
export interface Wakeup {
  wake(): void;
  /** Resolves at the next `wake()` or after `timeoutMs`; rejects with the signal's reason. */
  wait(signal: AbortSignal, timeoutMs?: number): Promise<void>;
}

export function createWakeup(): Wakeup {
  const sleepers = new Set<() => void>();

  return {
    wake() {
      for (const finish of sleepers) finish();
    },
    async wait(signal, timeoutMs) {
      signal.throwIfAborted();
      const woken = Promise.withResolvers<void>();
      const forget = onAbort(signal, () => woken.reject(signal.reason as Error));
      sleepers.add(woken.resolve);
      const timer = timeoutMs === undefined ? undefined : setTimeout(woken.resolve, timeoutMs);
      try {
        await woken.promise;
      } finally {
        clearTimeout(timer);
        sleepers.delete(woken.resolve);
        forget();
      }
    },
  };
}
