import { setTimeout as sleep } from 'node:timers/promises';
import { type FaultTally, tallyOf, untilUp } from './injector.ts';
import type { Lives } from './lives.ts';
import type { Problems } from './problems.ts';

export interface RestartOptions {
  readonly lives: Lives;
  readonly problems: Problems;
  readonly random: () => number;
  /** Between the end of one process and the start of the next. */
  readonly onEnded: () => void;
  /** How long all of it takes, in milliseconds. */
  readonly runMs: number;
  readonly signal: AbortSignal;
}

/** A journal remembers the events of some more minutes than this. */
const LONGEST_LIFE_MS = 300_000;

/** Ends the service by SIGKILL and SIGTERM in turns, and starts it again, until the signal aborts. */
export async function restartNowAndThen(options: RestartOptions): Promise<readonly FaultTally[]> {
  const { lives, problems, random, onEnded, runMs, signal } = options;
  const term = tallyOf('restart (SIGTERM)');
  const kill = tallyOf('kill -9');
  const longestMs = Math.min(LONGEST_LIFE_MS, runMs / 3);
  try {
    for (let turn = 0; ; turn += 1) {
      await sleep(longestMs * (0.25 + 0.75 * random()), undefined, { signal });
      const graceful = turn % 2 === 1;
      const tally = graceful ? term : kill;
      const code = await lives.end(graceful ? 'SIGTERM' : 'SIGKILL');
      if (graceful && code !== 0) problems.add('a graceful stop failed', `exit code ${code}`);
      onEnded();
      const startedMs = Date.now();
      await lives.start();
      tally.times += 1;
      tally.hits += 1;
      if ((await untilUp(lives, 'all', signal)) === undefined) {
        problems.add('no recovery', `${tally.name}: not up again in time`);
      } else tally.recoveryMs.push(Date.now() - startedMs);
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return [term, kill];
}
