import { onAbort } from '../on-abort.ts';
import { sleep as realSleep, type Sleep } from '../retry.ts';
import { createFairQueue } from './fair-queue.ts';
import type { TokenBucket } from './token-bucket.ts';

export interface TurnstileOptions<Class extends string> {
  readonly bucket: Pick<TokenBucket, 'tryTake'>;
  /** How many are inside at once. */
  readonly places: number;
  readonly classes: Readonly<Record<Class, ClassOptions>>;
  readonly sleep?: Sleep | undefined;
}

export interface ClassOptions {
  /** Its share of the turns while all wait. */
  readonly weight: number;
  /** At most this share of the places, from 0 to 1, but one; 'none needed': it goes in beside them. */
  readonly places: number | 'none needed';
}

export interface Visitor<Class extends string> {
  readonly class: Class;
  /** Whose turn it is goes round among those of a class. */
  readonly caller: string;
}

/**
 * The one way in to a remote API: whose turn it is gets one under the rate limit and a place inside,
 * both at the same moment, so that nobody holds the one and waits for the other.
 */
export interface Turnstile<Class extends string> {
  /**
   * Waits for its turn. Who leaves before costs nobody a turn.
   *
   * @returns gives the place back, once.
   * @throws the signal's reason.
   */
  enter(visitor: Visitor<Class>, signal?: AbortSignal): Promise<() => void>;
}

/** The rate may rise while everybody waits. */
const LONGEST_SLEEP_MS = 200;

export function createTurnstile<Class extends string>(
  options: TurnstileOptions<Class>,
): Turnstile<Class> {
  const { bucket, places, classes } = options;
  const sleep = options.sleep ?? realSleep;
  const names = Object.keys(classes) as Class[];
  const byClass = <V>(valueOf: (name: Class) => V) =>
    Object.fromEntries(names.map((name) => [name, valueOf(name)])) as Record<Class, V>;
  const queue = createFairQueue<Class, () => void>(byClass((name) => classes[name].weight));
  const most = byClass((name) => {
    const share = classes[name].places;
    return share === 'none needed' ? Infinity : Math.max(1, Math.floor(places * share));
  });
  const inside = byClass(() => 0);
  let taken = 0;
  let isServing = false;

  const mayGo = (name: Class) =>
    most[name] === Infinity || (taken < places && inside[name] < most[name]);

  function place(name: Class): () => void {
    if (most[name] === Infinity) return () => undefined;
    let isHeld = true;
    taken += 1;
    inside[name] += 1;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      taken -= 1;
      inside[name] -= 1;
      void serve();
    };
  }

  async function serve(): Promise<void> {
    if (isServing) return;
    isServing = true;
    while (queue.some(mayGo)) {
      const waitMs = bucket.tryTake();
      if (waitMs > 0) await sleep(Math.min(waitMs, LONGEST_SLEEP_MS));
      else queue.shift(mayGo)?.();
    }
    isServing = false;
  }

  return {
    async enter({ class: name, caller }, signal) {
      signal?.throwIfAborted();
      const turn = Promise.withResolvers<() => void>();
      const forget = onAbort(signal, () => {
        leave();
        turn.reject(signal?.reason as Error);
      });
      const start = () => {
        // Who has the place is not in the queue any more: an abort must not take it away again.
        forget();
        turn.resolve(place(name));
      };
      const leave = queue.add(start, name, caller);
      void serve();
      return turn.promise;
    },
  };
}
