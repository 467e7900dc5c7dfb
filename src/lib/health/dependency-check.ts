import type { Logger } from '../logger.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../retry.ts';
import type { DependencyReporter } from './health.ts';

export interface DependencyCheckOptions {
  readonly name: string;
  /** Resolves, to a remark for readiness perhaps, when all is well. */
  readonly check: (signal: AbortSignal) => Promise<string | undefined>;
  readonly reporter: DependencyReporter;
  readonly log: Logger;
  /** Between two checks while all is well, in milliseconds. */
  readonly intervalMs: number;
  /** Back-off while it is not, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  readonly sleep?: Sleep;
}

/** Asks again and again whether something that we depend on is there; tells readiness and the log. */
export function startDependencyCheck(options: DependencyCheckOptions): { stop(): Promise<void> } {
  const { name, check, reporter, log } = options;
  const sleep = options.sleep ?? realSleep;
  const stopping = new AbortController();

  async function run(): Promise<void> {
    for (let failures = 0; !stopping.signal.aborted; ) {
      let delayMs = options.intervalMs;
      try {
        const note = await check(stopping.signal);
        if (reporter.state === 'down') log.info({ dependency: name }, 'Dependency is back');
        reporter.up(note);
        failures = 0;
      } catch (error) {
        if (stopping.signal.aborted) return;
        if (reporter.state !== 'down') {
          log.warn({ dependency: name, err: error }, 'Dependency is not available');
        }
        reporter.down(error);
        failures += 1;
        delayMs = options.retry.baseMs + fullJitterMs(options.retry, failures);
      }
      await sleep(delayMs, stopping.signal).catch(() => undefined);
    }
  }

  const running = run();
  return {
    async stop() {
      stopping.abort();
      await running;
    },
  };
}
