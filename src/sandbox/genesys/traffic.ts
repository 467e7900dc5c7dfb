import type { EventStream } from './event-stream.ts';
import type { Interactions } from './interactions.ts';

export interface Traffic {
  /** Events per second; 0 stops, `Infinity` sends as fast as the slowest reader takes them. */
  set(perSecond: number): void;
  perSecond(): number;
  stop(): void;
}

const TICK_MS = 10;
const MAX_BATCH = 500;

/** Generated interactions on the stream, at a steady rate, never faster than they are taken. */
export function createTraffic(options: {
  readonly stream: EventStream;
  readonly interactions: Interactions;
}): Traffic {
  const { stream, interactions } = options;
  let rate = 0;
  let owed = 0;
  let lastTick = 0;
  let timer: NodeJS.Timeout | undefined;
  let pumping: NodeJS.Immediate | undefined;

  function tick(): void {
    const now = performance.now();
    // A pause is made up for, but by no more than a second's worth.
    owed = Math.min(owed + ((now - lastTick) * rate) / 1000, Math.max(1, rate));
    lastTick = now;
    while (owed >= 1) {
      const demand = stream.demand();
      if (demand === 'none' || demand === 'blocked') return;
      const batch = interactions.next(Math.min(Math.floor(owed), MAX_BATCH), stream.remembers());
      owed -= batch.events;
      stream.deliver(batch);
    }
  }

  function pump(): void {
    if (rate !== Infinity || pumping !== undefined) return;
    pumping = setImmediate(() => {
      pumping = undefined;
      if (rate !== Infinity || stream.demand() !== 'read') return;
      stream.deliver(interactions.next(Infinity, stream.remembers()));
      pump();
    });
  }

  stream.onDemand = pump;

  function halt(): void {
    clearInterval(timer);
    clearImmediate(pumping);
    timer = undefined;
    pumping = undefined;
    owed = 0;
  }

  return {
    set(perSecond) {
      halt();
      rate = perSecond;
      if (rate === Infinity) pump();
      else if (rate > 0) {
        lastTick = performance.now();
        timer = setInterval(tick, TICK_MS);
      }
    },
    perSecond: () => rate,
    stop: halt,
  };
}
