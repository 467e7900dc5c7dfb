import { writeFile } from 'node:fs/promises';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import { copyConfiguration } from '../../support/files.ts';
import {
  interaction,
  interactions,
  journalFolder,
  sandboxForTest,
  workerOn,
} from '../../support/worker-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 10_000, interval: 10 });

function idsOf(events: readonly { id: string }[]): string[] {
  return events.map(({ id }) => id).sort();
}

describe('from the stream to the bus', () => {
  test('publishes what matches, leaves out the rest, settles and counts', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats, health } = await workerOn(sandbox);
    const matching = interactions(25);
    const other = interaction({ resourceType: 'user' });

    worker.start();
    sandbox.emit([...matching, other]);

    await until(() => expect(sandbox.cloud.busEventCount()).toBe(25));
    await until(() => expect(journal.events).toBe(0));
    expect([...sandbox.cloud.acceptedIds].sort()).toEqual(idsOf(matching));
    expect(stats.counts).toMatchObject({
      received: 26,
      ingested: 25,
      published: 25,
      failed: 0,
      filteredOut: 1,
    });
    expect(stats.latency.count).toBe(25);
    expect(health.ready).toBe(true);
  });

  test('fills batches instead of sending event by event', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox, { publish: { lingerMs: 50 } });

    worker.start();
    sandbox.emit(interactions(400));

    await until(() => expect(stats.counts.published).toBe(400));
    expect(stats.counts.busCalls).toBeLessThanOrEqual(48);
  });

  test('drops an event that comes again and counts it, also after a restart', async () => {
    const sandbox = await sandboxForTest();
    const path = `${await journalFolder()}/journal.db`;
    const first = await workerOn(sandbox, { journal: { path } });
    const event = interaction();
    const changed = { ...event, createdTime: new Date(0).toISOString() };

    first.worker.start();
    sandbox.emit([event, event, changed]);
    await until(() => expect(first.stats.counts.published).toBe(2));
    expect(first.stats.counts.duplicates).toBe(1);
    await first.close();

    const second = await workerOn(sandbox, { journal: { path } });
    second.worker.start();
    sandbox.emit([event, interaction()]);
    await until(() => expect(second.stats.counts.published).toBe(1));
    expect(second.stats.counts.duplicates).toBe(1);
  });

  test('an interaction has many events: each is published under an id of its own, once', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox);
    const created = interaction({ eventType: 'created' });
    const updated = { ...created, eventType: 'updated' };
    const later = { ...updated, createdTime: '2026-11-30T10:00:01.000Z' };

    worker.start();
    sandbox.emit([created, updated, later, created, updated, later]);

    await until(() => expect(stats.counts).toMatchObject({ published: 3, duplicates: 3 }));
    const details = sandbox.cloud.busEvents.map(
      ({ detail }) =>
        JSON.parse(detail) as { interactionId: string; metadata: { eventId: string } },
    );
    expect(new Set(details.map(({ interactionId }) => interactionId))).toEqual(
      new Set([created.id]),
    );
    expect(details.map(({ metadata }) => metadata.eventId).sort()).toEqual(
      [created, updated, later].map((event) => eventIdOf(keyOfEvent(event))).sort(),
    );
  });

  test('kinds that differ only at their end are kinds of their own, ids may be any text or number', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox, { schemaMode: 'off' });
    const kind = (end: string) => `v2.detail.events.conversation.${'8f0c2a44-'.repeat(6)}.${end}`;
    const kinds = ['user.start', 'user.end', 'acw'].map((end) =>
      interaction({ id: 'i-1', eventType: kind(end) }),
    );
    const ids = ['Gespräch 7', 'x'.repeat(300), 7, '7'].map((id) => interaction({ id }));
    const events = [...kinds, ...ids];
    worker.start();
    sandbox.emit([...events, ...events]);
    await until(() => expect(stats.counts).toMatchObject({ ingested: 7, duplicates: 7 }));
    await until(() => expect(stats.counts.published + stats.counts.failed).toBe(7));
    expect(stats.counts.unidentified).toBe(0);
  });

  test('events that do not say when they happened are never taken for each other', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox, { schemaMode: 'off' });
    const { createdTime: _, ...timeless } = interaction();
    worker.start();
    sandbox.emit([timeless, timeless, { ...timeless, createdTime: 1_700_000_000_000 }]);
    await until(() => expect(stats.counts.ingested).toBe(3));
    expect(stats.counts).toMatchObject({ duplicates: 0, unidentified: 2 });
  });

  test('a number that cannot be held is text of its digits on the bus, and as it came in letters', async () => {
    const sandbox = await sandboxForTest();
    const configuration = await copyConfiguration();
    await writeFile(
      configuration.expressionFile,
      `{ "source": "genesys.cloud", "detail-type": "interaction.event", "time": createdTime, "detail": { "ref": payload.ref } }`,
    );
    const { worker, stats, journal } = await workerOn(sandbox, {
      schemaMode: 'off',
      configuration,
    });
    const line = (time: string, ref: string) =>
      JSON.stringify(
        interaction({ createdTime: time, payload: { priority: 'high', ref: '#' } }),
      ).replace('"#"', ref);
    worker.start();
    sandbox.emit([
      line('2026-11-30T10:00:00Z', '1161888007138312192'),
      line('never', '0.1234567890123456789'),
    ]);
    await until(() => expect(stats.counts).toMatchObject({ published: 1, failed: 1 }));
    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(1));
    await until(() => expect(journal.events + journal.letters).toBe(0));
    expect(JSON.parse(sandbox.cloud.busEvents[0]?.detail ?? '')).toEqual({
      ref: '1161888007138312192',
    });
    expect(sandbox.cloud.deadLetters()[0]?.body).toContain('"ref":0.1234567890123456789}');
  });

  test('makes a dead letter of a line that is no event and goes on', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox);

    worker.start();
    sandbox.emit(['{"id": "broken', interaction()]);

    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(1));
    await until(() => expect(stats.counts.published).toBe(1));
    const letter: unknown = JSON.parse(sandbox.cloud.deadLetters()[0]?.body ?? '');
    expect(letter).toMatchObject({ originalEvent: '{"id": "broken', stage: 'read' });
    expect(stats.counts).toMatchObject({ malformed: 1, failed: 0 });
  });

  test('makes a dead letter of a line that nests too deep; its neighbours are published', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats } = await workerOn(sandbox);
    const deep = `{"id":"deep","payload":${'{"a":'.repeat(5000)}1${'}'.repeat(5000)}}`;

    worker.start();
    sandbox.emit([interaction(), deep, interaction()]);

    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(1));
    await until(() => expect(stats.counts.published).toBe(2));
    const letter: unknown = JSON.parse(sandbox.cloud.deadLetters()[0]?.body ?? '');
    expect(letter).toMatchObject({ originalEvent: deep, stage: 'read', error: 'too deep' });
  });

  test('makes a dead letter of an event that breaks the schema, with reason and versions', async () => {
    const sandbox = await sandboxForTest();
    const { worker, stats, journal, pipeline } = await workerOn(sandbox);
    const bad = interaction({ createdTime: 'yesterday' });

    worker.start();
    sandbox.emit([bad, interaction()]);

    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(1));
    await until(() => expect(journal.events + journal.letters).toBe(0));
    const letter: unknown = JSON.parse(sandbox.cloud.deadLetters()[0]?.body ?? '');
    expect(letter).toMatchObject({
      originalEvent: bad,
      stage: 'validate',
      retryAttempt: 0,
      eventId: eventIdOf(keyOfEvent(bad)),
      expressionVersion: pipeline.versions.expression,
      schemaVersion: pipeline.versions.schema,
    });
    expect(stats.counts).toMatchObject({ ingested: 2, published: 1, failed: 1 });
  });

  test('holds everything while the schema is not there, and blames no event', async () => {
    const sandbox = await sandboxForTest();
    const good = await workerOn(sandbox);
    let missing = true;
    const { worker, journal, stats } = await workerOn(sandbox, {
      worker: {
        pipeline: {
          versions: good.pipeline.versions,
          filter: (event) => good.pipeline.filter(event),
          process: async (event, eventId) =>
            missing
              ? {
                  ok: false,
                  stage: 'validate',
                  kind: 'systemic',
                  code: 'schema_missing',
                  message: 'not there yet',
                  issues: [],
                }
              : good.pipeline.process(event, eventId),
        },
      },
    });
    worker.start();
    sandbox.emit(interactions(20));
    await until(() => expect(journal.events).toBe(20));
    await until(() => expect(worker.status().worker).toMatchObject({ held: true }));
    expect(stats.counts).toMatchObject({ published: 0, failed: 0 });
    missing = false;
    await until(() => expect(stats.counts.published).toBe(20));
  });

  test('an exception of the pipeline costs one event, not the worker', async () => {
    const sandbox = await sandboxForTest();
    const good = await workerOn(sandbox);
    const poison = interaction();
    const { worker, stats } = await workerOn(sandbox, {
      worker: {
        pipeline: {
          versions: good.pipeline.versions,
          filter(event) {
            if (event['resourceType'] === 'boom') throw new Error('a bug in the filter');
            return good.pipeline.filter(event);
          },
          async process(event, eventId) {
            if (event['id'] === poison.id) throw new Error('a bug in the transform');
            return good.pipeline.process(event, eventId);
          },
        },
      },
    });
    worker.start();
    sandbox.emit([interaction({ resourceType: 'boom' }), poison, interaction()]);
    await until(() => expect(stats.counts).toMatchObject({ published: 1, failed: 2 }));
    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(2));
  });

  test('gives an event without a usable id an id of its own', async () => {
    const sandbox = await sandboxForTest();
    const { worker } = await workerOn(sandbox, { schemaMode: 'off' });

    worker.start();
    sandbox.emit([interaction({ id: 7 }), interaction({ id: 'x'.repeat(500) })]);

    await until(() => expect(sandbox.cloud.busEventCount()).toBe(2));
    expect(new Set(sandbox.cloud.acceptedIds).size).toBe(2);
  });
});

describe('life', () => {
  test('finishes after a restart what was taken before, with the same ids', async () => {
    const sandbox = await sandboxForTest();
    const path = `${await journalFolder()}/journal.db`;
    const events = interactions(30);
    sandbox.faults.add({ id: 'down', target: 'aws.events.PutEvents', status: 503 });
    const first = await workerOn(sandbox, { journal: { path } });
    first.worker.start();
    sandbox.emit(events);
    await until(() => expect(first.journal.events).toBe(30));
    await first.close();

    sandbox.faults.remove('down');
    const second = await workerOn(sandbox, { journal: { path } });
    second.worker.start();

    await until(() => expect(second.journal.events).toBe(0));
    expect([...new Set(sandbox.cloud.acceptedIds)].sort()).toEqual(idsOf(events));
    expect(sandbox.stream.subscriptions()).toHaveLength(1);
  });

  test('works off a journal that is larger than its window of memory', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats } = await workerOn(sandbox, { worker: { windowEvents: 20 } });
    worker.start();
    worker.pause();
    sandbox.emit(interactions(500));
    await until(() => expect(journal.events).toBe(500));
    expect(sandbox.cloud.busEventCount()).toBe(0);

    worker.resume();
    await until(() => expect(journal.events).toBe(0));
    expect(stats.counts.published).toBe(500);
    expect(new Set(sandbox.cloud.acceptedIds).size).toBe(500);
  });

  test('a slow bus holds the stream back for moments only', async () => {
    const sandbox = await sandboxForTest();
    sandbox.faults.add({ target: 'aws.events.PutEvents', latencyMs: 500 });
    const { worker, journal, stats } = await workerOn(sandbox, { worker: { windowEvents: 200 } });
    worker.start();
    // A fixed number: how much an endless stream piles up depends on the machine.
    sandbox.emit(interactions(2500));
    await until(() => expect(stats.counts.ingested).toBe(2500));
    expect(stats.counts.published).toBeLessThan(1000);
    // What is published is settled on disk a moment later.
    await until(() => expect(journal.events).toBe(2500 - stats.counts.published));

    sandbox.faults.clear();
    await until(() => expect(journal.events).toBe(0));
    expect(stats.counts.published).toBe(2500);
  });

  test('stops reading while the journal is full and loses nothing', async () => {
    const sandbox = await sandboxForTest({ traffic: Infinity, keepSentIds: 0, malformedShare: 0 });
    const { worker, journal, stats } = await workerOn(sandbox, { journal: { maxRows: 500 } });
    worker.start();
    worker.pause();
    await until(() => expect(journal.full).toBe(true));
    const taken = stats.counts.ingested;
    await until(() => expect(sandbox.stream.demand()).toBe('blocked'));
    expect(stats.counts.ingested).toBeLessThan(taken + 2000);

    worker.resume();
    await until(() => expect(stats.counts.published).toBeGreaterThan(taken));
  });

  test('publishes what is in memory before it stops', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats } = await workerOn(sandbox, { publish: { lingerMs: 5000 } });
    worker.start();
    await until(() => expect(worker.status().worker['bus']).toMatchObject({ open: true }));
    sandbox.emit(interactions(7));
    await until(() => expect(stats.counts.ingested).toBe(7));

    await worker.stop(AbortSignal.timeout(3000));
    expect(stats.counts.published).toBe(7);
    expect(journal.events).toBe(0);
    expect(worker.state).toBe('stopped');
  });

  test('a stop while it is paused waits for the answers that are under way', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats } = await workerOn(sandbox);
    worker.start();
    await until(() => expect(worker.status().worker['bus']).toMatchObject({ open: true }));
    sandbox.faults.add({ target: 'aws.events.PutEvents', latencyMs: 1000 });
    sandbox.emit(interactions(5));
    await until(() => expect(worker.status().worker['bus']).toMatchObject({ inFlight: 1 }));
    worker.pause();
    await worker.stop(AbortSignal.timeout(3000));
    expect(stats.counts.published).toBe(5);
    expect(journal.events).toBe(0);
  });

  test('stops within its bound when the bus hangs, and keeps the rest', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats } = await workerOn(sandbox);
    worker.start();
    await until(() => expect(worker.status().worker['bus']).toMatchObject({ open: true }));
    sandbox.faults.add({ target: 'aws.events.PutEvents', hang: true });
    sandbox.emit(interactions(5));
    await until(() => expect(stats.counts.ingested).toBe(5));

    const startedMs = Date.now();
    await worker.stop(AbortSignal.timeout(300));
    expect(Date.now() - startedMs).toBeLessThan(1800);
    expect(journal.events).toBe(5);
  });

  test('a bus that goes away during the stop ends it long before its bound', async () => {
    const sandbox = await sandboxForTest();
    const { worker, journal, stats } = await workerOn(sandbox);
    worker.start();
    await until(() => expect(worker.status().worker['bus']).toMatchObject({ open: true }));
    sandbox.faults.add({ target: 'aws.events.PutEvents', status: 503 });
    sandbox.emit([...interactions(600), interaction({ createdTime: 'never' })]);
    await until(() => expect(stats.counts.ingested).toBe(601));

    const startedMs = Date.now();
    await worker.stop(AbortSignal.timeout(12_000));
    expect(Date.now() - startedMs).toBeLessThan(10_000);
    expect(stats.counts).toMatchObject({ published: 0, failed: 1 });
    expect(journal).toMatchObject({ events: 600, letters: 0 });
    expect(sandbox.cloud.deadLetters()).toHaveLength(1);
  });

  test('starts while Genesys and AWS are away, and catches up when they are back', async () => {
    const sandbox = await sandboxForTest();
    sandbox.faults.add({ id: 'all', target: '*', status: 503 });
    const { worker, health, stats } = await workerOn(sandbox);
    worker.start();
    const state = (name: string) =>
      health.snapshot().find((dependency) => dependency.name === name)?.state;
    await until(() =>
      expect([state('bus'), state('queue'), state('stream')]).toEqual(['down', 'down', 'down']),
    );
    expect(health.ready).toBe(false);

    sandbox.faults.remove('all');
    await until(() => expect(health.ready).toBe(true));
    sandbox.emit([interaction()]);
    await until(() => expect(stats.counts.published).toBe(1));
  });

  test('two workers run side by side in one process', async () => {
    const [one, two] = [await sandboxForTest(), await sandboxForTest()];
    const first = await workerOn(one);
    const second = await workerOn(two);
    first.worker.start();
    second.worker.start();
    one.emit(interactions(3));
    two.emit(interactions(4));
    await until(() => expect(one.cloud.busEventCount()).toBe(3));
    await until(() => expect(two.cloud.busEventCount()).toBe(4));
    await until(() => expect(first.stats.counts.published).toBe(3));
    await until(() => expect(second.stats.counts.published).toBe(4));
  });
});

test('leaves no timer behind', async () => {
  const handles = () =>
    process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  onTestFinished(() => undefined);
  const sandbox = await sandboxForTest();
  const before = handles();
  const { worker, close } = await workerOn(sandbox);
  worker.start();
  sandbox.emit(interactions(10));
  await until(() => expect(sandbox.cloud.busEventCount()).toBe(10));
  await close();
  await until(() => expect(handles()).toBeLessThanOrEqual(before + 1));
});
