import { coerceError } from '../../errors.ts';
import { eventIdOf, eventIdOfContent, keyOfEvent } from '../event-id.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetterStage, HeldMessage, RawEvent } from '../ports.ts';

/** What is to be done with a message of the buffer. */
export type ReadMessage =
  | {
      readonly to: 'publish';
      readonly eventId: string;
      readonly takenAtMs: number;
      readonly raw: RawEvent;
      /** Nobody has counted it as taken yet. */
      readonly isNew: boolean;
      /** Nothing says whether it was taken before. */
      readonly isUnidentified: boolean;
    }
  | { readonly to: 'leave' }
  | {
      readonly to: 'letter';
      readonly original: unknown;
      readonly eventId: string;
      readonly stage: DeadLetterStage;
      readonly code: 'poisoned' | 'filter_failed' | 'malformed_message';
      readonly message: string;
    };

/** An event that a reader took goes on; that of another sender is filtered first. Never throws. */
export function readMessage(
  { content, holds, bufferedAtMs }: HeldMessage,
  { pipeline, maxHolds }: { pipeline: Pick<Pipeline, 'filter'>; maxHolds: number },
): ReadMessage {
  if (content.kind === 'unreadable') {
    return {
      to: 'letter',
      original: content.text,
      eventId: eventIdOf(undefined),
      stage: 'read',
      code: 'malformed_message',
      message: `The message of the buffer ${content.reason}`,
    };
  }
  const raw = content.event;
  const key = content.kind === 'taken' ? undefined : keyOfEvent(raw);
  const eventId =
    content.kind === 'taken'
      ? content.eventId
      : key === undefined
        ? eventIdOfContent(raw)
        : eventIdOf(key);
  if (holds >= maxHolds) {
    const message = `it was held ${holds} times and never settled: it may end the process that works on it`;
    return { to: 'letter', original: raw, eventId, stage: 'transform', code: 'poisoned', message };
  }
  if (content.kind === 'taken') {
    const { takenAtMs } = content;
    return { to: 'publish', eventId, takenAtMs, raw, isNew: false, isUnidentified: false };
  }
  try {
    if (!pipeline.filter(raw).matched) return { to: 'leave' };
  } catch (error) {
    const { message } = coerceError(error);
    return {
      to: 'letter',
      original: raw,
      eventId,
      stage: 'filter',
      code: 'filter_failed',
      message,
    };
  }
  return {
    to: 'publish',
    eventId,
    takenAtMs: bufferedAtMs,
    raw,
    isNew: holds === 1,
    isUnidentified: key === undefined,
  };
}
