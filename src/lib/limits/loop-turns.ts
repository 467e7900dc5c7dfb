import { createFifo } from '../fifo.ts';

/**
 * Lets computations begin one per turn of the event loop. However many wait, probes, events and
 * input of others come in between, and none waits for more than one computation.
 *
 * Rejects with the signal's reason, and costs nobody a turn, when it has aborted meanwhile.
 */
export type Turns = (signal: AbortSignal) => Promise<void>;

export function createTurns(): Turns {
  const waiting = createFifo<{ readonly signal: AbortSignal } & PromiseWithResolvers<void>>();
  let isScheduled = false;

  function next(): void {
    isScheduled = false;
    for (let first = waiting.shift(); first !== undefined; first = waiting.shift()) {
      if (!first.signal.aborted) {
        first.resolve();
        break;
      }
      first.reject(first.signal.reason as Error);
    }
    if (waiting.size > 0) schedule();
  }

  function schedule(): void {
    if (isScheduled) return;
    isScheduled = true;
    setImmediate(next);
  }

  return (signal) => {
    const turn = Promise.withResolvers<void>();
    waiting.push({ signal, ...turn });
    schedule();
    return turn.promise;
  };
}
