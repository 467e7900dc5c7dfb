import { coerceError } from '../../errors.ts';
import { type Logger, payloadFacts } from '../../lib/logger.ts';
import { letterOfItem } from '../dead-letters/letter.ts';
import { eventIdOf, eventIdOfContent, keyOfEvent } from '../event-id.ts';
import type { GroupCommit } from '../journal/group-commit.ts';
import type { Journal } from '../journal/journal.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { RawEvent, StreamItem } from '../ports.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { HoldBack } from './hold-back.ts';

export interface IntakeOptions {
  readonly pipeline: Pick<Pipeline, 'filter'>;
  readonly journal: Pick<Journal, 'claim'>;
  readonly groupCommit: GroupCommit;
  readonly stats: PipelineStats;
  readonly holdBack: HoldBack;
  /** Whether other readers have the same events. */
  readonly isShared: boolean;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
}

/**
 * One chunk of the stream: filters it, drops duplicates and gives the rest to the group commit. Returns
 * a promise when the stream has to wait: the journal is full or cannot be written, or memory is full.
 */
export type Intake = (
  items: readonly StreamItem[],
  signal: AbortSignal,
) => Promise<void> | undefined;

export function createIntake(options: IntakeOptions): Intake {
  const { pipeline, journal, groupCommit, stats, holdBack, log, now = Date.now } = options;
  const { isShared } = options;
  const { counts } = stats;
  let taken = 0;

  function takeEvent(event: RawEvent, atMs: number): void {
    counts.received += 1;
    let matched: boolean;
    try {
      ({ matched } = pipeline.filter(event));
    } catch (error) {
      counts.failed += 1;
      const { message } = coerceError(error);
      const why = { stage: 'filter', code: 'filter_failed', message } as const;
      groupCommit.giveUp(letterOfItem(event, eventIdOf(keyOfEvent(event)), why, atMs), undefined);
      return;
    }
    if (!matched) {
      counts.filteredOut += 1;
      return;
    }
    const key = keyOfEvent(event);
    if (key !== undefined && !journal.claim(key)) {
      counts.duplicates += 1;
      return;
    }
    let eventId = eventIdOf(key);
    try {
      if (key === undefined && isShared) eventId = eventIdOfContent(event);
      groupCommit.take({ eventId, key, takenAtMs: atMs, event });
    } catch (error) {
      counts.malformed += 1;
      const message = `cannot be written as JSON: ${coerceError(error).message}`;
      const why = { stage: 'read', code: 'malformed_line', message } as const;
      groupCommit.giveUp(letterOfItem(event, eventId, why, atMs), undefined);
      return;
    }
    if (key === undefined) counts.unidentified += 1;
    taken += 1;
  }

  function noteLag(event: RawEvent, atMs: number): void {
    const created = event['createdTime'];
    const createdMs = typeof created === 'string' ? Date.parse(created) : Number.NaN;
    if (!Number.isNaN(createdMs)) stats.lagMs = Math.max(0, atMs - createdMs);
  }

  function logChunk(items: readonly StreamItem[], taken: number): void {
    log.debug({ lines: items.length, taken }, 'Chunk of the event stream');
    if (!log.isLevelEnabled('trace')) return;
    const shown = items.map((item) => (item.kind === 'event' ? item.event : item.text));
    log.trace(payloadFacts(shown), 'Lines of the chunk');
  }

  return (items, signal) => {
    const startedMs = performance.now();
    const atMs = now();
    taken = 0;
    for (const item of items) {
      if (item.kind === 'event') {
        takeEvent(item.event, atMs);
        continue;
      }
      counts.malformed += 1;
      const why = { stage: 'read', code: 'malformed_line', message: item.reason } as const;
      groupCommit.giveUp(letterOfItem(item.text, eventIdOf(undefined), why, atMs), undefined);
    }
    const last = items.at(-1);
    if (last?.kind === 'event') noteLag(last.event, atMs);
    stats.spent('read', performance.now() - startedMs, items.length);
    if (log.isLevelEnabled('debug')) logChunk(items, taken);
    return groupCommit.open ? holdBack(taken, signal) : groupCommit.whenOpen(signal);
  };
}
