import { validate as isUuid } from 'uuid';
import { isJsonObject } from '../../lib/json-object.ts';
import { tooLarge } from '../entry-size.ts';
import { eventIdOf, keyOfEvent } from '../event-id.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetter, EntryLimits, RawEvent } from '../ports.ts';

/** What every replayed event goes through, whatever was made of it before. */
export interface Today {
  readonly pipeline: Pick<Pipeline, 'filter' | 'process'>;
  readonly limits: EntryLimits;
}

export type LetterVerdict =
  | { readonly take: EventToTake }
  | {
      readonly stays: 'failedAgain' | 'notReplayable';
      readonly stage: string;
      /** `undefined` = as the letter says. */
      readonly code?: string;
    };

/**
 * Whether the letter's event may be taken again, or why the letter stays. Never throws: a letter
 * that breaks what judges it must not keep the others from their replay.
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
  const { originalEvent, stage } = letter;
  if (!isJsonObject(originalEvent)) return { stays: 'notReplayable', stage };
  try {
    return await judgeEvent(originalEvent, letter, today, nowMs);
  } catch {
    return { stays: 'notReplayable', stage, code: 'pipeline_failed' };
  }
}

async function judgeEvent(
  event: RawEvent,
  letter: DeadLetter,
  { pipeline, limits }: Today,
  nowMs: number,
): Promise<LetterVerdict> {
  if (!pipeline.filter(event).matched) {
    return { stays: 'failedAgain', stage: 'filter', code: 'filtered_out' };
  }
  const eventId = idOf(event, letter);
  const result = await pipeline.process(event, eventId);
  if (!result.ok) return { stays: 'failedAgain', stage: result.stage, code: result.code };
  const why = tooLarge(limits.bytesOf(result.entry), limits);
  if (why !== undefined) return { stays: 'failedAgain', stage: 'publish', code: why.code };
  // Taken now: how long it lay in the queue says nothing about the pipeline's latency.
  return { take: { eventId, event, takenAtMs: nowMs } };
}

/**
 * The letter's word counts only for an event that has no identity of its own: else whoever may
 * write to the queue could publish an event under the id of another one.
 */
function idOf(event: RawEvent, { eventId }: DeadLetter): string {
  const key = keyOfEvent(event);
  if (key === undefined && isUuid(eventId)) return eventId.toLowerCase();
  return eventIdOf(key);
}
