import { BridgeError, coerceError, UpstreamError } from '../../errors.ts';
import type { Logger } from '../logger.ts';
import type { DependencyReporter } from './health.ts';

/** A failure that lasts is logged again after this long, in milliseconds. */
const REPEAT_MS = 60_000;

export interface AvailabilityOptions {
  /** Subject of the log lines, for example `Event stream`. */
  readonly what: string;
  readonly reporter: Pick<DependencyReporter, 'up' | 'down'>;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
}

/** Reports each failure to readiness; logs each change, and a failure that lasts once a minute. */
export interface Availability {
  down(error: unknown, consequence: string): void;
  up(note?: string): void;
}

export function createAvailability(options: AvailabilityOptions): Availability {
  const { what, reporter, log, now = Date.now } = options;
  let sinceMs: number | undefined;
  let loggedMs = 0;
  let wasUp = false;

  return {
    down(thrown, consequence) {
      reporter.down(thrown);
      const nowMs = now();
      if (sinceMs !== undefined && nowMs - loggedMs < REPEAT_MS) {
        log.debug({ ...errorFacts(thrown), downForMs: nowMs - sinceMs }, `${what} failed again`);
        return;
      }
      sinceMs ??= nowMs;
      loggedMs = nowMs;
      log.warn(
        { ...errorFacts(thrown), downForMs: nowMs - sinceMs },
        `${what} is not working: ${consequence}`,
      );
    },
    up(note) {
      reporter.up(note);
      if (!wasUp) log.debug({ note }, `${what} works`);
      wasUp = true;
      if (sinceMs === undefined) return;
      log.info({ downForMs: now() - sinceMs }, `${what} is working again`);
      sinceMs = undefined;
    },
  };
}

/** What of an error is worth a log line; never a payload. */
export function errorFacts(thrown: unknown): Record<string, unknown> {
  const error = coerceError(thrown);
  return {
    reason: error.message,
    ...(error instanceof BridgeError && { code: error.code, kind: error.kind }),
    ...(error instanceof UpstreamError && {
      service: error.service,
      status: error.status,
      correlationId: error.correlationId,
      missingPermission: error.missingPermission,
    }),
  };
}
