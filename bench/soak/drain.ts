import { setTimeout as sleep } from 'node:timers/promises';
import type { Control } from '../../test/support/control.ts';
import { untilUp } from './injector.ts';
import type { Lives, Status } from './lives.ts';
import type { Problems } from './problems.ts';

const BOUND_MS = 60_000;
/** Nothing may change for so long. */
const QUIET_MS = 2000;

/**
 * Lifts every fault, stops the traffic, and waits until the journal is empty and nothing arrives
 * any more. Returns how long that took, in milliseconds; `undefined` when it took too long.
 */
export async function drain(options: {
  readonly control: Control;
  readonly lives: Lives;
  readonly problems: Problems;
  readonly signal: AbortSignal;
}): Promise<number | undefined> {
  const { control, lives, problems, signal } = options;
  const startedMs = Date.now();
  await control.remove('/faults');
  await control.post('/traffic', { perSecond: 0 });
  // A stop of the run may have met the service between two lives.
  if (lives.running === undefined) await lives.start();
  await untilUp(lives, 'all', signal);

  let seen = '';
  let seenMs = Date.now();
  let status: Status | undefined;
  while (Date.now() - startedMs < BOUND_MS) {
    status = await statusOf(lives);
    const { sent } = await control.get<{ sent: { events: number } }>('/stream');
    const { events, letters } = status.worker.journal;
    const now = [sent.events, status.pipeline.ingested, status.pipeline.published].join(' ');
    if (now !== seen || events + letters > 0 || status.worker.stream.state !== 'connected') {
      seen = now;
      seenMs = Date.now();
    } else if (Date.now() - seenMs >= QUIET_MS) {
      return seenMs - startedMs;
    }
    await sleep(100, undefined, { signal });
  }
  problems.add('not drained', JSON.stringify(status?.worker));
  return undefined;
}

async function statusOf(lives: Lives): Promise<Status> {
  const life = lives.running;
  if (life === undefined) throw new Error('The service does not run');
  const answer = await fetch(`${life.process.url}/status`);
  life.status = (await answer.json()) as Status;
  return life.status;
}
