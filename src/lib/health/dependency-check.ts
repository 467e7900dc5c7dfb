import { fullJitterMs, sleep as realSleep, type Sleep } from '../retry.ts';
import type { Availability } from './availability.ts';

export interface DependencyCheckOptions {
  /** Resolves, to a remark for readiness perhaps, when all is well. */
  readonly check: (signal: AbortSignal) => Promise<string | undefined>;
  readonly availability: Availability;
  /** What it means for us that the check failed, for the log. */
  readonly consequence: () => string;
  /** Between two checks while all is well, in milliseconds; without it the first success is the end. */
  readonly intervalMs?: number | undefined;
  /** Back-off while it is not, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  readonly sleep?: Sleep | undefined;
  readonly random?: (() => number) | undefined;
}

export interface DependencyCheck {
  /** Checks at once instead of waiting on; resolves after the check, also when it failed. */
  checkNow(): Promise<void>;
  stop(): Promise<void>;
}

/** Asks again and again whether something that we depend on is there; reports what it finds. */
export function startDependencyCheck(options: DependencyCheckOptions): DependencyCheck {
  const { check, availability, intervalMs, retry, random, sleep = realSleep } = options;
  const stopping = new AbortController();
  let waiting = new AbortController();
  let checked = Promise.withResolvers<void>();

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      let delayMs = intervalMs;
      try {
        availability.up(await check(stopping.signal));
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) break;
        availability.down(error, options.consequence());
        failures += 1;
        delayMs = retry.baseMs + fullJitterMs(retry, failures, random);
      }
      if (delayMs === undefined || stopping.signal.aborted) break;
      waiting = new AbortController();
      checked.resolve();
      checked = Promise.withResolvers();
      await sleep(delayMs, waiting.signal).catch(() => undefined);
    }
    checked.resolve();
  }

  const running = run();
  return {
    async checkNow() {
      const { promise } = checked;
      waiting.abort();
      await promise;
    },
    async stop() {
      stopping.abort(new Error('The service is stopping'));
      waiting.abort();
      await running;
    },
  };
}
