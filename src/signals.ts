import type { LogOutput } from './lib/limits/log-output.ts';
import type { Logger } from './lib/logger.ts';
import { onNpmGone } from './lib/npm-gone.ts';

export interface SignalOptions {
  readonly log: Logger;
  readonly output: Pick<LogOutput, 'flush'>;
  /** Bound of a graceful stop, in milliseconds. */
  readonly timeoutMs: number;
  readonly stop: () => Promise<void>;
  readonly toggleLogLevel: () => void;
}

/**
 * npm passes a terminal's Ctrl-C on to its child, which has got it already: two signals that are
 * this close, in milliseconds, are one wish.
 */
const SAME_SIGNAL_MS = 1000;

/** What a slow reader of the log gets before the process ends, in milliseconds. */
export const FLUSH_MS = 1000;

/**
 * SIGTERM, SIGINT, SIGHUP: stop and exit 0; a second one, or the bound: exit 1 at once. An
 * uncaught error is logged, then the same stop, exit 1. SIGUSR2 switches debug logging. SIGUSR1,
 * by which Node opens a debugger for whoever can reach the port, does nothing.
 */
export function onSignals(options: SignalOptions): void {
  const { log, output, timeoutMs, stop, toggleLogLevel } = options;
  let stoppingSinceMs: number | undefined;

  function exit(code: number, why: string, error?: unknown): void {
    if (code === 0) log.info(why);
    else log.fatal(error === undefined ? {} : { err: error }, why);
    void output.flush(FLUSH_MS).then(() => process.exit(code));
  }

  function shutDown(code: number): void {
    stoppingSinceMs = Date.now();
    setTimeout(
      () => exit(1, 'The graceful stop took too long; what was not settled is in the journal'),
      timeoutMs,
    ).unref();
    stop().then(
      () => exit(code, 'Stopped'),
      (error: unknown) => exit(1, 'Stopped with errors', error),
    );
  }

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signal, () => {
      if (stoppingSinceMs === undefined) {
        log.info({ signal }, 'Stopping');
        shutDown(0);
      } else if (Date.now() - stoppingSinceMs > SAME_SIGNAL_MS) {
        exit(1, `Second ${signal}: not waiting any longer`);
      }
    });
  }
  for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
    process.on(event, (error: unknown) => {
      log.fatal({ err: error, event }, 'Unexpected error: stopping');
      if (stoppingSinceMs === undefined) shutDown(1);
    });
  }
  process.on('SIGUSR2', toggleLogLevel);
  process.on('SIGUSR1', () => log.warn('SIGUSR1 opens no debugger here'));
  onNpmGone(() => {
    if (stoppingSinceMs !== undefined) return;
    log.info('npm is gone: stopping');
    shutDown(0);
  });
}
