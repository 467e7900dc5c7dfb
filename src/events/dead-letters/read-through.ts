import { cutText } from '../../lib/cut-text.ts';
import type { Logger } from '../../lib/logger.ts';
import type {
  DeadLetterCounts,
  DeadLetterQueue,
  DeadLetterStage,
  ReceivedLetter,
} from '../ports.ts';

/** Which letters; each that is given must be the letter's own. */
export interface LetterSelection {
  readonly stage?: DeadLetterStage | undefined;
  /** `errorCode`, or `not_a_letter`. */
  readonly code?: string | undefined;
  readonly eventId?: string | undefined;
}

export interface LetterFacts {
  readonly eventId: string | undefined;
  readonly stage: string;
  readonly code: string;
}

export interface ReadThroughOptions extends LetterSelection {
  readonly queue: DeadLetterQueue;
  /** Letters looked at, at most. */
  readonly max: number;
  /** Does what is to be done with letters; resolves to those that stay in the queue. */
  readonly handle: (letters: readonly ReceivedLetter[]) => Promise<readonly ReceivedLetter[]>;
  /** After each batch. */
  readonly onExamined: (letters: number) => void;
  readonly log: Logger;
  readonly now: () => number;
}

export interface ReadThroughReport {
  /** What the queue said before the first letter was received. */
  readonly counts: DeadLetterCounts;
  /** Letters looked at. */
  readonly examined: number;
  /** Of these, those that were not asked for. */
  readonly passedOver: number;
  /** Letters that were there and that somebody else holds at the moment, as SQS counts them. */
  readonly heldByOthers: number;
  /**
   * `empty`: no more of what was there at its start. `held_by_others`: no more of it, as somebody
   * else holds some. `held_back`: a FIFO queue gives no more, as letters could not be moved.
   */
  readonly endedBy: 'empty' | 'max' | 'held_by_others' | 'held_back' | 'aborted';
}

const BATCH = 50;
/** Letters that stay are hidden from others until the end, or this long if the process dies. */
const VISIBILITY_SECONDS = 300;
const MAX_FACT_CHARACTERS = 128;

/**
 * Every letter that was in the queue when this began, once. What stays is held until the end, so
 * that it is not received again; on a FIFO queue, which then would give no more, it goes to the end.
 *
 * @throws UpstreamError when the queue fails, and what `handle` throws; no letter stays hidden.
 */
export async function readThrough(
  options: ReadThroughOptions,
  signal: AbortSignal,
): Promise<ReadThroughReport> {
  const { queue, max, log, now } = options;
  const beganMs = now();
  const counts = await queue.counts(signal);
  // Beside the time of a letter: the queue's clock may be behind ours.
  const there = counts.visible + counts.inFlight + counts.delayed;
  /** Receipts by message id. */
  const held = new Map<string, string>();
  let inHand: readonly ReceivedLetter[] = [];
  let examined = 0;
  let passedOver = 0;

  function hold(letters: readonly ReceivedLetter[]): void {
    for (const { messageId, receipt } of letters) held.set(messageId, receipt);
  }

  /** Whether the queue gives more. */
  async function keep(letters: readonly ReceivedLetter[]): Promise<boolean> {
    if (queue.moveToEnd === undefined) {
      hold(letters);
      return true;
    }
    if (letters.length === 0) return true;
    try {
      await queue.moveToEnd(letters);
      return true;
    } catch {
      log.warn({ letters: letters.length }, 'Letters that stay could not be moved to the end');
      return false;
    }
  }

  async function ended() {
    const { inFlight } = await queue.counts(signal);
    const heldByOthers = Math.min(there - examined, Math.max(0, inFlight - held.size));
    return { heldByOthers, endedBy: heldByOthers > 0 ? 'held_by_others' : 'empty' } as const;
  }

  async function readAll(): Promise<Pick<ReadThroughReport, 'heldByOthers' | 'endedBy'>> {
    while (examined < Math.min(max, there)) {
      if (signal.aborted) return { heldByOthers: 0, endedBy: 'aborted' };
      const most = Math.min(BATCH, max - examined, there - examined);
      const letters = await queue.receive(
        { max: most, visibilitySeconds: VISIBILITY_SECONDS },
        signal,
      );
      // They come back when this takes longer than they stay hidden.
      const [again, others] = split(letters, ({ messageId }) => held.has(messageId));
      const [old, fresh] = split(others, ({ sentAt }) => sentAt.getTime() <= beganMs);
      hold([...again, ...fresh]);
      if (old.length === 0 && again.length > 0) continue;
      if (old.length === 0) return ended();
      inHand = old;
      const [asked, unasked] = split(old, (letter) => isSelected(factsOf(letter), options));
      const stay = await options.handle(asked);
      inHand = [];
      examined += old.length;
      passedOver += unasked.length;
      options.onExamined(old.length);
      if (!(await keep([...unasked, ...stay]))) return { heldByOthers: 0, endedBy: 'held_back' };
    }
    return { heldByOthers: 0, endedBy: there <= max ? 'empty' : 'max' };
  }

  try {
    const end = await readAll();
    return { counts, examined, passedOver, ...end };
  } finally {
    hold(inHand);
    // With no signal: a caller that has gone must not leave letters hidden.
    if (held.size > 0) {
      await queue
        .release([...held.values()])
        .catch(() => log.warn('Letters stay hidden for some minutes'));
    }
  }
}

/** What may be told of a letter, in answers and in the log; whoever wrote it, it is short. */
export function factsOf({ letter }: ReceivedLetter): LetterFacts {
  if (letter === undefined) return { eventId: undefined, stage: 'read', code: 'not_a_letter' };
  return {
    eventId: cutText(letter.eventId, MAX_FACT_CHARACTERS),
    stage: letter.stage,
    code: cutText(letter.errorCode, MAX_FACT_CHARACTERS),
  };
}

function isSelected(facts: LetterFacts, { stage, code, eventId }: LetterSelection): boolean {
  return (
    (stage === undefined || stage === facts.stage) &&
    (code === undefined || code === facts.code) &&
    (eventId === undefined || eventId === facts.eventId)
  );
}

function split(
  letters: readonly ReceivedLetter[],
  is: (letter: ReceivedLetter) => boolean,
): readonly [readonly ReceivedLetter[], readonly ReceivedLetter[]] {
  return [letters.filter(is), letters.filter((letter) => !is(letter))];
}
