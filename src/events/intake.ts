import { v7 } from 'uuid';
import { coerceError } from '../errors.ts';
import type { Journal } from './journal.ts';
import type { Ledger } from './ledger.ts';
import { letterOfItem } from './letter.ts';
import type { Pipeline } from './pipeline.ts';
import type { PipelineStats } from './pipeline-stats.ts';
import type { RawEvent, StreamItem } from './ports.ts';

export interface IntakeOptions {
  readonly pipeline: Pick<Pipeline, 'filter'>;
  readonly journal: Pick<Journal, 'isNew'>;
  readonly ledger: Ledger;
  readonly stats: PipelineStats;
  readonly now?: (() => number) | undefined;
}

/** An id that fits wherever ids go: a queue's de-duplication id, a log line, a key. */
const USABLE_ID = /^[\w!-/:-@[-`{-~]{1,128}$/;
const MAX_TIME_LENGTH = 64;

/**
 * One chunk of the stream: filters it, drops duplicates and gives the rest to the ledger. Returns
 * a promise when the stream has to wait: the journal is full or cannot be written.
 */
export type Intake = (
  items: readonly StreamItem[],
  signal: AbortSignal,
) => Promise<void> | undefined;

export function createIntake(options: IntakeOptions): Intake {
  const { pipeline, journal, ledger, stats, now = Date.now } = options;
  const { counts } = stats;

  function takeEvent(event: RawEvent, atMs: number): void {
    counts.received += 1;
    let matched: boolean;
    try {
      ({ matched } = pipeline.filter(event));
    } catch (error) {
      counts.failed += 1;
      const { message } = coerceError(error);
      const why = { stage: 'filter', code: 'filter_failed', message } as const;
      ledger.bury(letterOfItem(event, usableId(event), why, atMs), undefined);
      return;
    }
    if (!matched) {
      counts.filteredOut += 1;
      return;
    }
    const id = usableId(event);
    const key = id === undefined ? undefined : keyOf(id, event);
    if (key !== undefined && !journal.isNew(key)) {
      counts.duplicates += 1;
      return;
    }
    ledger.take({ eventId: id ?? v7(), key, takenAtMs: atMs, event });
  }

  function noteLag(event: RawEvent, atMs: number): void {
    const created = event['createdTime'];
    const createdMs = typeof created === 'string' ? Date.parse(created) : Number.NaN;
    if (!Number.isNaN(createdMs)) stats.lagMs = Math.max(0, atMs - createdMs);
  }

  return (items, signal) => {
    const startedMs = performance.now();
    const atMs = now();
    for (const item of items) {
      if (item.kind === 'event') {
        takeEvent(item.event, atMs);
        continue;
      }
      counts.malformed += 1;
      const why = { stage: 'read', code: 'malformed_line', message: item.reason } as const;
      ledger.bury(letterOfItem(item.text, undefined, why, atMs), undefined);
    }
    const last = items.at(-1);
    if (last?.kind === 'event') noteLag(last.event, atMs);
    stats.spent('read', performance.now() - startedMs, items.length);
    return ledger.open ? undefined : ledger.whenOpen(signal);
  };
}

function usableId(event: RawEvent): string | undefined {
  const id = event['id'];
  return typeof id === 'string' && USABLE_ID.test(id) ? id : undefined;
}

/** The same id at the same time is the same event; a later change of the interaction is another one. */
function keyOf(id: string, event: RawEvent): string {
  const time = event['createdTime'];
  return typeof time === 'string' ? `${id} ${time.slice(0, MAX_TIME_LENGTH)}` : id;
}
