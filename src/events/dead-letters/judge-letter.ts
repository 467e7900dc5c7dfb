import type { EventToTake } from '../journal/group-commit.ts';
import { parseEventTime } from '../pipeline/event-time.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { BusEntry, DeadLetter, RawEvent } from '../ports.ts';

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
  pipeline: Pick<Pipeline, 'process'>,
  nowMs: number,
): Promise<LetterVerdict> {
  if (letter === undefined) {
    return { stays: 'notReplayable', stage: 'read', code: 'not_a_letter' };
  }
  const { originalEvent, eventId, stage } = letter;
  if (!isRecord(originalEvent)) {
    return { stays: 'notReplayable', stage, code: letter.errorCode };
  }
  // Taken now: how long it lay in the queue says nothing about the pipeline's latency.
  const event = { eventId, event: originalEvent, takenAtMs: nowMs };
  // Where the entry is to blame, or nobody knows, today's expression may make a better one.
  if (letter.cause === 'bus' || letter.cause === 'retries') {
    const entry = entryOf(letter.transformedEvent);
    if (entry !== undefined) return { take: { ...event, entry } };
  }
  const result = await pipeline.process(originalEvent, eventId);
  if (result.ok) return { take: event };
  return { stays: 'failedAgain', stage: result.stage, code: result.code };
}

function isRecord(value: unknown): value is RawEvent {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The entry of a letter; what comes from a queue is checked before it is believed. */
function entryOf(value: unknown): BusEntry | undefined {
  if (!isRecord(value)) return undefined;
  const { source, detailType, detail, time, resources, traceHeader } = value;
  const date = parseEventTime(time);
  if (typeof source !== 'string' || typeof detailType !== 'string' || typeof detail !== 'string') {
    return undefined;
  }
  if (date === undefined || !isTexts(resources)) return undefined;
  const entry = { source, detailType, detail, time: date, resources };
  return typeof traceHeader === 'string' ? { ...entry, traceHeader } : entry;
}

function isTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((item) => typeof item === 'string');
}
