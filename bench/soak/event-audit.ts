import type { Control } from '../../test/support/control.ts';
import type { JournalCopy } from './journal-copy.ts';
import { eventsOfLetters } from './letters.ts';
import type { ConnectionEnd } from './lives.ts';
import type { Problems } from './problems.ts';

export interface EventNumbers {
  /** Events to be taken that the operating system of the sandbox took. */
  readonly sent: number;
  /** Committed to the journal, by its own file. */
  readonly taken: number;
  /** Different ones on the bus. */
  readonly published: number;
  readonly duplicates: number;
  /** Different ones in the queue, lines that were no events left out. */
  readonly deadLettered: number;
  readonly malformedLines: number;
  readonly journalled: number;
  readonly lost: number;
  /** Sent into connections that ended before they were committed. */
  readonly neverTaken: number;
  readonly connectionEnds: number;
}

/** Collects what was taken, life by life, and says in the end what became of it. */
export interface EventAudit {
  /** After each end of the service, before the next start. */
  addJournal(copy: JournalCopy): void;
  finish(ends: readonly ConnectionEnd[]): Promise<EventNumbers>;
}

/** How late a service that is busy may see that a connection has ended. */
const SLACK_MS = 5_000;

export function createEventAudit(options: {
  readonly control: Control;
  readonly problems: Problems;
  /** EVENT_DEDUPE_ROWS: so many taken events a journal remembers. */
  readonly remembered: number;
}): EventAudit {
  const { control, problems, remembered } = options;
  const taken = new Map<string, number>();
  let unsettled = new Set<string>();
  let lastSeq = 0;

  /**
   * Sent events that were not taken. Connections are used one after the other, so those of one
   * connection are the last that it got: each run of them needs a connection's end of its own, not
   * before the event that was taken before the run.
   */
  function countNeverTaken(sent: Iterable<string>, ends: readonly ConnectionEnd[]): number {
    const inOrder = ends.toSorted((a, b) => a.toMs - b.toMs);
    let nextEnd = 0;
    let missing = 0;
    let run: string[] = [];
    let beforeMs = 0;

    function closeRun(afterMs: number): void {
      if (run.length === 0) return;
      missing += run.length;
      while ((inOrder[nextEnd]?.toMs ?? Infinity) < beforeMs) nextEnd += 1;
      if ((inOrder[nextEnd]?.fromMs ?? Infinity) <= afterMs + SLACK_MS) nextEnd += 1;
      else {
        const what = `${run.length} events from ${run[0]} after ${new Date(beforeMs).toISOString()}`;
        problems.add('sent, never taken, and no connection ended', what);
      }
      run = [];
    }

    for (const id of new Set(sent)) {
      const atMs = taken.get(id);
      if (atMs === undefined) run.push(id);
      else {
        // Some events have no time that is one.
        closeRun(Number.isNaN(atMs) ? Date.now() : atMs);
        if (!Number.isNaN(atMs)) beforeMs = atMs;
      }
    }
    closeRun(Date.now());
    return missing;
  }

  return {
    addJournal(copy) {
      if (copy.lastSeq - remembered > lastSeq) {
        problems.add('the audit has a gap', `from ${lastSeq} to ${copy.lastSeq}`);
      }
      lastSeq = copy.lastSeq;
      for (const [id, atMs] of copy.taken) taken.set(id, atMs);
      unsettled = new Set(copy.unsettled);
    },

    async finish(ends) {
      const [matching, invalid, other, accepted, { letters }] = await Promise.all([
        control.get<string[]>('/stream/ids?expectation=matching'),
        control.get<string[]>('/stream/ids?expectation=invalid'),
        control.get<string[]>('/stream/ids?expectation=other'),
        control.get<string[]>('/events/ids'),
        control.get<{ letters: { body: string }[] }>('/dead-letters?limit=10000000'),
      ]);
      const published = new Set(accepted);
      const bodies = letters.map(({ body }) => body);
      const stages = bodies.map((body) => (JSON.parse(body) as { stage: string }).stage);
      const deadLettered = eventsOfLetters(bodies);
      let lost = 0;
      for (const id of taken.keys()) {
        if (published.has(id) || deadLettered.has(id) || unsettled.has(id)) continue;
        lost += 1;
        problems.add('event lost', id);
      }
      for (const id of published) {
        if (!taken.has(id)) problems.add('published, but never taken', id);
      }
      for (const id of other) {
        if (taken.has(id)) problems.add('taken, although the filter says no', id);
      }
      return {
        sent: new Set(matching).size + new Set(invalid).size,
        taken: taken.size,
        published: published.size,
        duplicates: accepted.length - published.size,
        deadLettered: deadLettered.size,
        malformedLines: stages.filter((stage) => stage === 'read').length,
        journalled: unsettled.size,
        lost,
        neverTaken: countNeverTaken(matching, ends) + countNeverTaken(invalid, ends),
        connectionEnds: ends.length,
      };
    },
  };
}
