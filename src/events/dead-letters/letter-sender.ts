import { coerceError, type FailureKind } from '../../errors.ts';
import { abortable } from '../../lib/abortable.ts';
import { type Availability, errorFacts } from '../../lib/health/availability.ts';
import { readJson } from '../../lib/json/exact-json.ts';
import type { Logger } from '../../lib/logger.ts';
import { probeDelayMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { Journal } from '../journal/journal.ts';
import type { DeadLetter, DeadLetterQueue } from '../ports.ts';

export interface DeadLetterSenderOptions {
  readonly journal: Journal;
  readonly queue: Pick<DeadLetterQueue, 'send' | 'check'>;
  /** Reports the dependency `queue`. */
  readonly availability: Availability;
  readonly log: Logger;
  /** The queue has these: they leave the journal. */
  readonly onSent: (letterSeqs: readonly number[]) => void;
  /** Makes durable what `onSent` announced; false while the disk refuses. */
  readonly flush: () => boolean;
  /** Bounds of the back-off while the queue is away, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  /** How often the queue is checked, also after a failure, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
}

/** Sends the dead letters that wait in the journal to the queue, now or whenever that is back. */
export interface DeadLetterSender {
  /** There are new letters in the journal. */
  wake(): void;
  /** Letters that the queue refused for good; they stay in the journal. */
  readonly refused: number;
  run(signal: AbortSignal): Promise<never>;
  /** Sends what waits, once; resolves when that is done or has failed. */
  drain(signal: AbortSignal): Promise<void>;
}

const PAGE = 50;
/** A failure that may pass turns readiness red when it comes so often in a row. */
const LASTING_FAILURES = 2;

export function createDeadLetterSender(options: DeadLetterSenderOptions): DeadLetterSender {
  const { journal, queue, availability, log, onSent, flush, retry, checkMs = 60_000 } = options;
  const { random, sleep = realSleep } = options;
  const news = createWakeup();
  let passing: Promise<void> | undefined;
  let refused = 0;
  let hasNews = false;

  /** Every waiting letter once, oldest first. @throws the queue's failure when it takes none. */
  async function passOnce(signal: AbortSignal): Promise<void> {
    let refusedNow = 0;
    let after = 0;
    for (;;) {
      const rows = journal.lettersAfter(after, PAGE);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.seq;
      const letters = rows.map(({ body }) => readJson(body) as DeadLetter);
      const answers = await queue.send(letters, signal);
      onSent(rows.filter((_, index) => answers[index] === undefined).map(({ seq }) => seq));
      const failures = answers.filter((answer) => answer !== undefined);
      const outage = failures.find((error) => !isKind(error, 'reject'));
      if (outage !== undefined) throw outage;
      const first = answers.findIndex((answer) => answer !== undefined);
      if (first === -1) continue;
      refusedNow += failures.length;
      log.error(
        {
          ...errorFacts(failures[0]),
          letters: failures.length,
          eventId: letters[first]?.eventId,
        },
        'The dead-letter queue refused letters for good: they stay in the journal',
      );
    }
    refused = refusedNow;
  }

  /** One pass at a time: two would send the same letters twice. */
  async function pass(signal: AbortSignal): Promise<void> {
    passing ??= passOnce(signal).finally(() => {
      passing = undefined;
    });
    // The pass under way may have another signal than this caller.
    await abortable(passing, signal);
  }

  /** One broken connection, or one refusal for the moment, says nothing about the queue. */
  function report(thrown: unknown, failures: number): void {
    const error = coerceError(thrown);
    if (failures < LASTING_FAILURES && isKind(error, 'retry')) {
      log.debug(errorFacts(error), 'The dead-letter queue failed once: trying again');
      return;
    }
    availability.down(error, 'dead letters wait in the journal');
  }

  return {
    wake() {
      hasNews = true;
      news.wake();
    },
    get refused() {
      return refused;
    },
    async run(signal) {
      let failures = 0;
      let dueMs = -Infinity;
      for (;;) {
        try {
          // Not before every batch: what is sent shows as well whether the queue is there.
          if (performance.now() >= dueMs) {
            await queue.check(signal);
            dueMs = performance.now() + checkMs;
            availability.up();
          }
          do {
            hasNews = false;
            // A letter that was sent, but is still in the journal, would be sent again.
            if (flush()) await pass(signal);
          } while (hasNews && !signal.aborted);
          failures = 0;
          await news.wait(signal, Math.max(1, Math.ceil(dueMs - performance.now())));
        } catch (thrown) {
          signal.throwIfAborted();
          dueMs = -Infinity;
          failures += 1;
          report(thrown, failures);
          const isPassing = thrown instanceof Error && isKind(thrown, 'retry');
          await sleep(probeDelayMs(retry, failures, isPassing, random), signal);
        }
      }
    },
    async drain(signal) {
      try {
        if (journal.letters > refused && flush()) await pass(signal);
      } catch (thrown) {
        signal.throwIfAborted();
        report(thrown, LASTING_FAILURES);
      }
    },
  };
}

function isKind(error: Error, kind: FailureKind): boolean {
  return 'kind' in error && error.kind === kind;
}
