import { onAbort } from '../on-abort.ts';

export interface SemaphoreOptions {
  /** How many run at once. */
  readonly places: number;
  /** How many wait for a place; more are refused. */
  readonly maxWaiting: number;
  /** What is thrown when so many wait already. */
  readonly refusal: (waiting: number) => Error;
}

/** Lets a bounded number of pieces of work run at once; the others wait for their turn, in order. */
export interface Semaphore {
  /** @throws the refusal, the signal's reason while it waits, or what `work` throws. */
  run<T>(work: () => Promise<T>, signal: AbortSignal): Promise<T>;
}

export function createSemaphore(options: SemaphoreOptions): Semaphore {
  const { places, maxWaiting, refusal } = options;
  const waiting = new Set<() => void>();
  let taken = 0;

  async function takePlace(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    if (taken < places) {
      taken += 1;
      return;
    }
    if (waiting.size >= maxWaiting) throw refusal(waiting.size);
    const turn = Promise.withResolvers<void>();
    const forget = onAbort(signal, () => {
      waiting.delete(start);
      turn.reject(signal.reason as Error);
    });
    const start = () => {
      // Who has the place is not in the line any more: an abort must not take it away again.
      forget();
      waiting.delete(start);
      turn.resolve();
    };
    waiting.add(start);
    await turn.promise;
  }

  function passPlace(): void {
    const [next] = waiting;
    if (next === undefined) taken -= 1;
    else next();
  }

  return {
    async run(work, signal) {
      await takePlace(signal);
      try {
        return await work();
      } finally {
        passPlace();
      }
    },
  };
}
