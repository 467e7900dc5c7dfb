import { tooLarge } from '../entry-size.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetter, EntryLimits, RawEvent } from '../ports.ts';

/** What every replayed event goes through, whatever was made of it before. */
export interface Today {
  readonly pipeline: Pick<Pipeline, 'process'>;
  readonly limits: EntryLimits;
}

export type LetterVerdict =
  | { readonly take: EventToTake }
  | {
      readonly stays: 'failedAgain' | 'notReplayable';
      readonly stage: string;
      readonly code: string;
    };

/**
 * Whether the letter's event may be taken again, or why the letter stays.
 *
 * @param letter `undefined` = the message is none of our letters.
 * @param nowMs when the event is taken, milliseconds since the epoch.
 */
export async function judgeLetter(
  letter: DeadLetter | undefined,
  today: Today,
  nowMs: number,
): Promise<LetterVerdict> {
  if (letter === undefined) {
    return { stays: 'notReplayable', stage: 'read', code: 'not_a_letter' };
  }
  const { originalEvent, eventId, stage } = letter;
  if (!isRecord(originalEvent)) {
    return { stays: 'notReplayable', stage, code: letter.errorCode };
  }
  const result = await today.pipeline.process(originalEvent, eventId);
  if (!result.ok) return { stays: 'failedAgain', stage: result.stage, code: result.code };
  const { limits } = today;
  const why = tooLarge(limits.bytesOf(result.entry), limits);
  if (why !== undefined) return { stays: 'failedAgain', stage: 'publish', code: why.code };
  // Taken now: how long it lay in the queue says nothing about the pipeline's latency.
  return { take: { eventId, event: originalEvent, takenAtMs: nowMs } };
}

function isRecord(value: unknown): value is RawEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
