import { coerceError } from '../../errors.ts';
import { type Availability, errorFacts } from '../../lib/health/availability.ts';
import type { Logger } from '../../lib/logger.ts';
import { fullJitterMs, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { DeadLetter, DeadLetterQueue } from '../ports.ts';
import type { HoldCounts } from './buffer-counts.ts';
import type { Holds } from './holds.ts';

export interface LetterOutboxOptions {
  readonly queue: Pick<DeadLetterQueue, 'send' | 'check'>;
  /** Of the dead-letter queue. */
  readonly availability: Availability;
  readonly holds: Pick<Holds, 'settle' | 'giveBack'>;
  readonly counts: HoldCounts;
  /** The event of this receipt is no longer in memory. */
  readonly onGone: (receipt: string) => void;
  /** Letters that should wait in memory; while the queue is away, the events of more are given back. */
  readonly maxLetters: number;
  readonly log: Logger;
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  /** How often the queue is checked while there is nothing to send, in milliseconds. */
  readonly checkMs: number;
  readonly sleep: Sleep;
}

/**
 * Dead letters on their way to the queue. The buffer keeps the event until its letter is there, so
 * nothing is written to a disk: what this process cannot send, another one makes again.
 */
export interface LetterOutbox {
  add(letter: DeadLetter, receipt: string): void;
  run(signal: AbortSignal): Promise<never>;
  /** As many wait as may. */
  readonly full: boolean;
  /** Resolves when all letters are sent; rejects when the signal aborts. */
  drain(signal: AbortSignal): Promise<void>;
  /** Gives back the events of what is not sent. */
  giveBackAll(signal: AbortSignal): Promise<void>;
}

interface Outgoing {
  readonly letter: DeadLetter;
  readonly receipt: string;
}

const PER_SEND = 50;
/** While the queue is away, events are given back for as long; others would fare no better. */
const AWAY_SECONDS = 300;
/** An event whose letter the queue refuses for good is looked at again after as long. */
const REFUSED_SECONDS = 3600;

export function createLetterOutbox(options: LetterOutboxOptions): LetterOutbox {
  const { queue, availability, holds, counts, onGone, maxLetters, log } = options;
  const { backOff, checkMs, sleep } = options;
  const news = createWakeup();
  const idle = createWakeup();
  const waiting: Outgoing[] = [];
  let sending: readonly Outgoing[] = [];

  async function giveBack(
    gone: readonly Outgoing[],
    seconds: number,
    signal?: AbortSignal,
  ): Promise<void> {
    for (const { receipt } of gone) onGone(receipt);
    await holds.giveBack(
      gone.map(({ receipt }) => receipt),
      seconds,
      signal,
    );
  }

  async function sendSome(signal: AbortSignal): Promise<void> {
    const some = waiting.splice(0, PER_SEND);
    sending = some;
    let left: readonly Outgoing[] = some;
    try {
      const answers = await queue.send(
        some.map(({ letter }) => letter),
        signal,
      );
      const of = (wanted: (answer: Error | undefined) => boolean) =>
        some.filter((_, index) => wanted(answers[index]));
      const sent = of((answer) => answer === undefined);
      for (const { receipt } of sent) onGone(receipt);
      holds.settle(sent.map(({ receipt }) => receipt));
      const refused = of((answer) => answer !== undefined && isRefusal(answer));
      left = of((answer) => answer !== undefined && !isRefusal(answer));
      if (refused.length > 0)
        await refuse(
          refused,
          answers.find((answer) => answer !== undefined),
        );
      const outage = answers.find((answer) => answer !== undefined && !isRefusal(answer));
      if (outage !== undefined) throw outage;
    } finally {
      waiting.unshift(...left);
      sending = [];
      if (waiting.length === 0) idle.wake();
    }
  }

  async function refuse(refused: readonly Outgoing[], why: Error | undefined): Promise<void> {
    counts.lettersRefused += refused.length;
    log.error(
      {
        ...errorFacts(why),
        letters: refused.length,
        eventId: refused[0]?.letter.eventId,
      },
      'The dead-letter queue refused letters for good: their events stay in the buffer',
    );
    await giveBack(refused, REFUSED_SECONDS);
  }

  return {
    add(letter, receipt) {
      waiting.push({ letter, receipt });
      news.wake();
    },
    async run(signal) {
      let failures = 0;
      for (;;) {
        try {
          if (waiting.length === 0) await queue.check(signal);
          while (waiting.length > 0) await sendSome(signal);
          availability.up();
          failures = 0;
          await news.wait(signal, checkMs);
        } catch (error) {
          signal.throwIfAborted();
          failures += 1;
          availability.down(coerceError(error), 'events that need a letter stay in the buffer');
          await giveBack(waiting.splice(maxLetters), AWAY_SECONDS);
          await sleep(fullJitterMs(backOff, failures), signal);
        }
      }
    },
    get full() {
      return waiting.length >= maxLetters;
    },
    async drain(signal) {
      while (waiting.length + sending.length > 0) await idle.wait(signal);
    },
    giveBackAll: (signal) => giveBack(waiting.splice(0), 0, signal),
  };
}

function isRefusal(error: Error): boolean {
  return 'kind' in error && error.kind === 'reject';
}
