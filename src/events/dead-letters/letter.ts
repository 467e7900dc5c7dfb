import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetter, DeadLetterStage, RefusalCause } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';

/** Why an event cannot go on. */
export interface Failure {
  readonly stage: DeadLetterStage;
  readonly code: string;
  readonly message: string;
  /** The entry, or what the transform made of the event. */
  readonly transformed?: unknown;
  /** At the stage `publish`. */
  readonly cause?: RefusalCause;
  /** How often it was sent to the bus. */
  readonly attempts?: number;
  /** How many retries its own errors used up. */
  readonly retries?: number;
}

export function letterOf(
  event: TakenEvent,
  why: Failure,
  versions: Pipeline['versions'],
): DeadLetter {
  return {
    originalEvent: event.raw,
    error: why.message,
    timestamp: new Date().toISOString(),
    retryAttempt: why.retries ?? 0,
    stage: why.stage,
    errorCode: why.code,
    attempts: why.attempts ?? 0,
    cause: why.cause,
    eventId: event.eventId,
    firstSeen: new Date(event.takenAtMs).toISOString(),
    expressionVersion: versions.expression,
    schemaVersion: versions.schema,
    transformedEvent: why.transformed,
  };
}

/** For what was never taken: a line that is no event, or an event that breaks the filter. */
export function letterOfItem(
  original: unknown,
  eventId: string,
  why: Failure,
  readAtMs: number,
): DeadLetter {
  const readAt = new Date(readAtMs).toISOString();
  return {
    originalEvent: original,
    error: why.message,
    timestamp: readAt,
    retryAttempt: 0,
    stage: why.stage,
    errorCode: why.code,
    attempts: 0,
    eventId,
    firstSeen: readAt,
  };
}
