import { isJsonObject } from '../../lib/json-object.ts';
import type { Logger } from '../../lib/logger.ts';
import type { DeadLetterQueue, ReceivedLetter } from '../ports.ts';
import {
  factsOf,
  type LetterFacts,
  type LetterSelection,
  type ReadThroughReport,
  readThrough,
} from './read-through.ts';

export interface DiscardRequest extends LetterSelection {
  readonly dryRun: boolean;
  /** Letters looked at, at most. */
  readonly max: number;
}

export interface DiscardReport extends ReadThroughReport {
  readonly dryRun: boolean;
  /** Deleted from the queue for ever; in a dry run: would be. */
  readonly discarded: number;
  /** They hold an event, or are messages of others: they stay. */
  readonly kept: number;
  /** SQS failed to delete them. */
  readonly notDeleted: number;
  /** What was discarded, by the reason in the letters. */
  readonly reasons: readonly {
    readonly stage: string;
    readonly code: string;
    readonly letters: number;
  }[];
}

export interface DiscardOptions {
  readonly queue: DeadLetterQueue;
  readonly log: Logger;
  readonly now: () => number;
  readonly onExamined: (letters: number) => void;
}

/** Whoever writes to the queue chooses the codes. */
const MAX_REASONS = 50;

/**
 * Deletes the letters that hold no whole event and so never can be replayed. A message that is none
 * of our letters is deleted only when `code` asks for it.
 *
 * @throws UpstreamError when the queue fails.
 */
export async function discardLetters(
  request: DiscardRequest,
  options: DiscardOptions,
  signal: AbortSignal,
): Promise<DiscardReport> {
  const { dryRun, code } = request;
  const { queue, log } = options;
  const reasons = new Map<string, { stage: string; code: string; letters: number }>();
  let discarded = 0;
  let kept = 0;
  let notDeleted = 0;

  function count(facts: LetterFacts): void {
    const isKnown = reasons.size < MAX_REASONS || reasons.has(nameOf(facts));
    const reason = isKnown ? facts : { stage: 'any', code: 'others' };
    const letters = (reasons.get(nameOf(reason))?.letters ?? 0) + 1;
    reasons.set(nameOf(reason), { stage: reason.stage, code: reason.code, letters });
  }

  async function handle(letters: readonly ReceivedLetter[]): Promise<readonly ReceivedLetter[]> {
    const useless = letters.filter((letter) => isUseless(letter, code));
    const useful = letters.filter((letter) => !isUseless(letter, code));
    kept += useful.length;
    if (!dryRun && useless.length > 0) {
      try {
        await queue.delete(
          useless.map(({ receipt }) => receipt),
          signal,
        );
      } catch {
        // Some of them may be gone; SQS shows the others again.
        notDeleted += useless.length;
        log.warn({ letters: useless.length }, 'Dead letters may not have been discarded');
        return useful;
      }
    }
    discarded += useless.length;
    for (const letter of useless) {
      const facts = factsOf(letter);
      count(facts);
      if (!dryRun) log.info({ ...facts, messageId: letter.messageId }, 'Dead letter discarded');
    }
    return dryRun ? letters : useful;
  }

  const read = await readThrough({ ...request, ...options, handle }, signal);
  return { ...read, dryRun, discarded, kept, notDeleted, reasons: [...reasons.values()] };
}

function isUseless({ letter }: ReceivedLetter, asked: string | undefined): boolean {
  return letter === undefined ? asked === 'not_a_letter' : !isJsonObject(letter.originalEvent);
}

function nameOf({ stage, code }: Pick<LetterFacts, 'stage' | 'code'>): string {
  return `${stage} ${code}`;
}
