import { fullJitterMs, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';

export interface SettlerOptions {
  /** One call; resolves to the receipts that have to be settled again. Never throws. */
  readonly settle: (receipts: readonly string[], signal: AbortSignal) => Promise<readonly string[]>;
  /** Between two tries while the buffer cannot be reached, in milliseconds. */
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

/** Settles in full calls, a few at once, until each receipt is settled or its hold has ended. */
export interface Settler {
  /** `atOnce`: somebody waits for it. */
  add(receipts: readonly string[], atOnce?: boolean): void;
  run(signal: AbortSignal): Promise<never>;
  /** Resolves when nothing waits and no call is under way. */
  drain(signal: AbortSignal): Promise<void>;
}

/** How long a settled event waits for others to share its call, in milliseconds. */
const SETTLE_MS = 50;
const PER_CALL = 10;
const CALLS_AT_ONCE = 4;

export function createSettler({ settle, backOff, sleep }: SettlerOptions): Settler {
  const news = createWakeup();
  const idle = createWakeup();
  let waiting: string[] = [];
  let calls = 0;
  let failures = 0;
  let hurried = false;

  async function settleSome(receipts: readonly string[], signal: AbortSignal): Promise<void> {
    calls += 1;
    const again = await settle(receipts, signal);
    calls -= 1;
    failures = again.length === 0 ? 0 : failures + 1;
    waiting.push(...again);
    if (waiting.length === 0 && calls === 0) idle.wake();
    news.wake();
  }

  return {
    add(receipts, atOnce = false) {
      waiting.push(...receipts);
      hurried ||= atOnce;
      if (hurried || waiting.length >= PER_CALL || waiting.length === receipts.length) news.wake();
    },
    async run(signal) {
      for (;;) {
        if (waiting.length < PER_CALL && !hurried) await news.wait(signal, SETTLE_MS);
        hurried = false;
        if (waiting.length === 0) {
          await news.wait(signal);
          continue;
        }
        if (failures > 0) await sleep(fullJitterMs(backOff, failures), signal);
        while (waiting.length > 0 && calls < CALLS_AT_ONCE) {
          void settleSome(waiting.splice(0, PER_CALL), signal);
        }
        if (calls >= CALLS_AT_ONCE) await news.wait(signal);
      }
    },
    async drain(signal) {
      const isBusy = () => waiting.length > 0 || calls > 0;
      while (isBusy()) await idle.wait(signal);
    },
  };
}
