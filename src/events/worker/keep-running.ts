import type { Logger } from '../../lib/logger.ts';
import type { Sleep } from '../../lib/retry.ts';

export interface KeepRunningOptions {
  /** For the log. */
  readonly name: string;
  readonly run: (signal: AbortSignal) => Promise<unknown>;
  readonly signal: AbortSignal;
  /** Between an unexpected end and the next start, in milliseconds. */
  readonly restMs: number;
  readonly log: Logger;
  readonly sleep: Sleep;
}

/**
 * A loop ends only with its signal. Anything else is a bug, or a disk that cannot be read: it is
 * logged, and the loop starts again. Never throws.
 */
export async function keepRunning(options: KeepRunningOptions): Promise<void> {
  const { name, run, signal, restMs, log, sleep } = options;
  while (!signal.aborted) {
    try {
      await run(signal);
    } catch (error) {
      if (signal.aborted) return;
      log.error({ err: error, loop: name }, 'A loop of the worker failed and starts again');
      await sleep(restMs, signal).catch(() => undefined);
    }
  }
}
