import type { Logger } from '../../lib/logger.ts';
import type { Failure } from './letter.ts';

const EVERY_MS = 1000;

/** Tells of dead letters, once a second at most: a broken expression makes thousands of them. */
export function createBurialLog(log: Pick<Logger, 'warn'>, now: () => number = Date.now) {
  let loggedMs = 0;
  let untold = 0;

  return (eventId: string, { stage, code }: Failure): void => {
    untold += 1;
    if (now() - loggedMs < EVERY_MS) return;
    log.warn({ eventId, stage, code, events: untold }, 'Events became dead letters');
    loggedMs = now();
    untold = 0;
  };
}
