import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import { createGroupCommit } from '../../../src/events/journal/group-commit.ts';
import { createJournal } from '../../../src/events/journal/journal.ts';
import type { RawEvent, StreamItem } from '../../../src/events/ports.ts';
import type { TakenEvent } from '../../../src/events/taken-event.ts';
import { createPipelineStats } from '../../../src/events/telemetry/pipeline-stats.ts';
import { createIntake } from '../../../src/events/worker/intake.ts';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { journalFolder } from '../../support/worker-under-test.ts';

type Kind = 'good' | 'deep' | 'cyclic' | 'throws' | 'big' | 'filter' | 'deepFilter' | 'malformed';

const KINDS: readonly Kind[] = [
  'good',
  'good',
  'good',
  'deep',
  'cyclic',
  'throws',
  'big',
  'filter',
  'deepFilter',
  'malformed',
];

function deep(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = { a: value };
  return value;
}

function itemOf(kind: Kind, id: string, payload: unknown): StreamItem {
  if (kind === 'malformed') return { kind, text: `{"id":"${id}`, reason: 'not JSON' };
  const event: Record<string, unknown> = { id, createdTime: id, eventType: kind };
  if (kind === 'cyclic') event['self'] = event;
  else if (kind === 'deep' || kind === 'deepFilter') event['payload'] = deep(50_000);
  else if (kind === 'big') event['payload'] = 1n;
  else if (kind === 'throws')
    event['toJSON'] = () => {
      throw new Error('no');
    };
  else event['payload'] = payload;
  return { kind: 'event', event };
}

/** What a filter does that some events break. */
function filter({ eventType }: RawEvent) {
  if (eventType === 'filter' || eventType === 'deepFilter') throw new Error('The filter broke');
  return { matched: true, rule: 'all' } as const;
}

test('whatever comes among them, good events go through, each in a row of its own', async () => {
  const folder = await journalFolder();
  let file = 0;
  const chunk = fc.array(fc.tuple(fc.constantFrom(...KINDS), fc.jsonValue()), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(fc.array(chunk, { minLength: 1, maxLength: 5 }), async (chunks) => {
      file += 1;
      const journal = createJournal({
        path: join(folder, `${file}.db`),
        maxBytes: 100_000_000,
        maxRows: 10_000,
        dedupeRows: 1000,
      });
      const offered: TakenEvent[] = [];
      const stats = createPipelineStats();
      const groupCommit = createGroupCommit({
        journal,
        availability: createAvailability({
          what: 'The journal',
          reporter: createHealth().dependency('journal'),
          log: createLogger({ level: 'silent' }),
        }),
        stats,
        retryMs: 10,
        onTaken: (events) => offered.push(...events),
        onLetters: () => undefined,
      });
      const intake = createIntake({
        pipeline: { filter },
        journal,
        groupCommit,
        stats,
        holdBack: () => undefined,
        isShared: false,
        log: createLogger({ level: 'silent' }),
      });
      const items = chunks.map((one, at) =>
        one.map(([kind, payload], index) => itemOf(kind, `${at}-${index}`, payload)),
      );
      for (const some of items) {
        await intake(some, new AbortController().signal);
        if (some.length % 2 === 0) groupCommit.flush();
      }
      groupCommit.flush();

      const good = items
        .flat()
        .flatMap((item) => (item.kind === 'event' ? [item.event] : []))
        .filter(({ eventType }) => eventType === 'good');
      const rows = journal.eventsAfter(0, 1000, 1e9);
      expect(rows.map(({ raw }) => raw)).toEqual(good.map((event) => JSON.stringify(event)));
      expect(rows.map(({ eventId }) => eventId)).toEqual(
        good.map((event) => eventIdOf(keyOfEvent(event))),
      );
      expect(offered.map(({ seq, eventId, raw, size }) => [seq, eventId, raw, size])).toEqual(
        rows.map(({ seq, eventId, raw }, index) => [seq, eventId, good[index], raw.length]),
      );
      const letters = journal.lettersAfter(0, 1000).map(({ body }) => JSON.parse(body) as object);
      expect(letters).toHaveLength(items.flat().length - good.length);
      for (const letter of letters) expect(letter).toHaveProperty('originalEvent');
      groupCommit.stop();
      journal.close();
    }),
    { numRuns: 25 },
  );
});
