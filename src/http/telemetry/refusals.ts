import type { Logger } from '../../lib/logger.ts';
import { describeError, problemOf } from '../problem-of-error.ts';

/** Requests that were refused before it was known who sends them. */
export interface Refusals {
  count(error: unknown, remoteAddress: string | undefined): void;
  /** Tells what was not told yet. */
  stop(): void;
}

interface Sum {
  requests: number;
  last: Readonly<Record<string, unknown>>;
  readonly timer: NodeJS.Timeout;
}

const EVERY_MS = 5000;

/**
 * Anybody can send them, at any rate: the log tells the first of a code, and then every five
 * seconds how many more there were, with the address of the last.
 */
export function createRefusals(log: Logger): Refusals {
  const sums = new Map<string, Sum>();

  function tell({ requests, last }: Pick<Sum, 'requests' | 'last'>): void {
    const isOurs = Number(last['status']) >= 500;
    log[isOurs ? 'warn' : 'info']({ ...last, requests }, 'Refused callers that are not known');
  }

  function sweep(code: string): void {
    const sum = sums.get(code);
    if (sum === undefined) return;
    if (sum.requests > 0) {
      tell(sum);
      sum.requests = 0;
    } else {
      clearInterval(sum.timer);
      sums.delete(code);
    }
  }

  return {
    count(error, remoteAddress) {
      const { status, code } = problemOf(error);
      const err = status >= 500 ? describeError(error) : undefined;
      const last = { status, code, remoteAddress, err };
      const sum = sums.get(code);
      if (sum === undefined) {
        tell({ requests: 1, last });
        const timer = setInterval(() => sweep(code), EVERY_MS).unref();
        sums.set(code, { requests: 0, last, timer });
      } else {
        sum.requests += 1;
        sum.last = last;
      }
    },
    stop() {
      for (const sum of sums.values()) {
        clearInterval(sum.timer);
        if (sum.requests > 0) tell(sum);
      }
      sums.clear();
    },
  };
}
