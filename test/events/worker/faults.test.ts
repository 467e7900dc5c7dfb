import { readFile, writeFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import { copyConfiguration } from '../../support/files.ts';
import {
  interaction,
  interactions,
  sandboxForTest,
  workerOn,
} from '../../support/worker-under-test.ts';

const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 12_000, interval: 10 });

type UnderTest = Awaited<ReturnType<typeof workerOn>>;

function stateOf({ health }: UnderTest, name: string) {
  return health.snapshot().find((dependency) => dependency.name === name)?.state;
}

async function connected(test: UnderTest): Promise<void> {
  test.worker.start();
  await until(() => expect(test.health.ready).toBe(true));
}

/** So many events were taken, and each is settled. */
async function settled({ stats, journal }: UnderTest, events: number): Promise<void> {
  await until(() => expect(stats.counts.ingested).toBe(events));
  await until(() => expect(journal.events).toBe(0));
}

function letters(sandbox: Awaited<ReturnType<typeof sandboxForTest>>) {
  return sandbox.cloud
    .deadLetters()
    .map(({ body }) => JSON.parse(body) as Readonly<Record<string, unknown>>);
}

describe('the bus', () => {
  test('refuses a fifth of the entries for the moment: each is published, none dead-lettered', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { rate: 0.2, code: 'InternalFailure' },
    });
    const events = interactions(300);
    sandbox.emit(events);
    await settled(under, 300);
    expect([...sandbox.cloud.acceptedIds].sort()).toEqual(events.map(({ id }) => id));
    expect(under.stats.counts).toMatchObject({ published: 300, failed: 0 });
    expect(under.stats.retries.get('eventbridge_unavailable')).toBeGreaterThan(20);
  });

  test('throttles half of the calls: everything is published once', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox, { publish: { maxRetries: 0 } });
    await connected(under);
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      status: 400,
      code: 'ThrottlingException',
      rate: 0.5,
    });
    sandbox.emit(interactions(300));
    await settled(under, 300);
    expect(under.stats.counts).toMatchObject({ published: 300, failed: 0 });
    expect(sandbox.cloud.acceptedIds.length).toBe(300);
  });

  test('fails for longer than all retries would last: the outage costs no event', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox, { publish: { maxRetries: 1 } });
    await connected(under);
    sandbox.faults.add({ id: 'down', target: 'aws.events.PutEvents', status: 500 });
    sandbox.emit(interactions(200));
    await until(() => expect(stateOf(under, 'bus')).toBe('down'));
    const calls = () => sandbox.requests.count('aws.events.PutEvents');
    const before = calls();
    await until(() => expect(calls()).toBeGreaterThan(before + 20));
    expect(under.health.ready).toBe(false);
    expect(under.journal.events).toBe(200);
    expect(letters(sandbox)).toEqual([]);

    sandbox.faults.clear();
    await settled(under, 200);
    expect(new Set(sandbox.cloud.acceptedIds).size).toBe(200);
    expect(stateOf(under, 'bus')).toBe('up');
  });

  test('loses the answer after it has stored the events: they come again with the same ids', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.faults.add({ target: 'aws.events.PutEvents', reset: 'after', times: 2 });
    const events = interactions(30);
    sandbox.emit(events);
    await settled(under, 30);
    expect([...new Set(sandbox.cloud.acceptedIds)].sort()).toEqual(events.map(({ id }) => id));
    expect(sandbox.cloud.acceptedIds.length).toBeGreaterThan(30);
  });

  test('does not let us in: everything waits, readiness says why, and it goes on by itself', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox, { publish: { maxRetries: 0 } });
    await connected(under);
    sandbox.faults.add({
      id: 'denied',
      target: 'aws.events.PutEvents',
      status: 400,
      code: 'AccessDeniedException',
    });
    sandbox.emit(interactions(50));
    await until(() => expect(stateOf(under, 'bus')).toBe('down'));
    expect(letters(sandbox)).toEqual([]);
    sandbox.faults.remove('denied');
    await until(() => expect(under.stats.counts.published).toBe(50));
  });

  test('does not exist at the start: not one event is sent into the void', async () => {
    const sandbox = await sandboxForTest();
    sandbox.cloud.deleteBus(sandbox.environment['EVENTBUS_NAME'] ?? '');
    const under = await workerOn(sandbox);
    under.worker.start();
    sandbox.emit(interactions(10));
    await until(() => expect(under.journal.events).toBe(10));
    await until(() => expect(stateOf(under, 'bus')).toBe('down'));
    expect(sandbox.requests.count('aws.events.PutEvents')).toBe(0);
    sandbox.cloud.createBus(sandbox.environment['EVENTBUS_NAME'] ?? '');
    await until(() => expect(under.stats.counts.published).toBe(10));
  });

  test("is another account's: its policy decides, and everything waits until it lets us in", async () => {
    const busName = 'arn:aws:events:us-east-1:123456789012:event-bus/orders';
    const sandbox = await sandboxForTest();
    const environment = { ...sandbox.environment, EVENTBUS_NAME: busName };
    const under = await workerOn({ ...sandbox, environment });
    await connected(under);
    sandbox.emit(interactions(30));
    await until(() => expect(stateOf(under, 'bus')).toBe('down'));
    sandbox.cloud.createBus(busName);
    await settled(under, 30);
    expect(sandbox.cloud.busEvents.map(({ bus }) => bus)).toEqual(Array(30).fill(busName));
    expect(under.stats.counts).toMatchObject({ published: 30, failed: 0 });
    expect(stateOf(under, 'bus')).toBe('up');
  });

  test('is deleted while events come: the next look notices, and nothing more is sent into the void', async () => {
    const sandbox = await sandboxForTest();
    const checkMs = 100;
    const under = await workerOn(sandbox, { publish: { checkMs } });
    await connected(under);
    sandbox.cloud.deleteBus('interaction-bridge');
    const deletedMs = performance.now();
    const feed = setInterval(() => sandbox.emit(interactions(5)), 5);
    await until(() => expect(stateOf(under, 'bus')).toBe('down'));
    clearInterval(feed);
    // A look, and the time of a call, on a busy machine.
    expect(performance.now() - deletedMs).toBeLessThan(checkMs + 1000);
    const kept = interactions(40);
    sandbox.emit(kept);
    await until(() => expect(under.journal.events).toBeGreaterThanOrEqual(40));
    sandbox.cloud.createBus('interaction-bridge');
    await until(() => expect(under.journal.events).toBe(0));
    const accepted = new Set(sandbox.cloud.acceptedIds);
    expect(kept.every(({ id }) => accepted.has(id))).toBe(true);
  });

  test('bars a source of which there is more than fits into memory: the others are published', async () => {
    const sandbox = await sandboxForTest();
    const configuration = await copyConfiguration();
    const text = await readFile(configuration.expressionFile, 'utf8');
    const byType = '"source": payload.type = "email" ? "barred" : "genesys.cloud"';
    await writeFile(
      configuration.expressionFile,
      text.replace('"source": "genesys.cloud"', byType),
    );
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { ids: ['barred'], code: 'NotAuthorizedForSourceException' },
    });
    const under = await workerOn(sandbox, {
      configuration,
      schemaMode: 'off',
      publish: { maxRetries: 2 },
      worker: { windowEvents: 200 },
    });
    await connected(under);
    const { payload } = interaction();
    const barred = (count: number) =>
      Array.from({ length: count }, () => interaction({ payload: { ...payload, type: 'email' } }));
    // At first nothing shows that the bus takes any.
    const first = [...barred(150), ...interactions(30)];
    sandbox.emit(first);
    await until(() => expect(under.stats.counts.published).toBe(30));
    sandbox.emit([...barred(800), ...interactions(30)]);
    await settled(under, 1010);
    expect(under.stats.counts).toMatchObject({ published: 60, failed: 950 });
    expect(sandbox.cloud.acceptedIds.length).toBe(60);
    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(950));
    expect(new Set(letters(sandbox).map(({ errorCode }) => errorCode))).toEqual(
      new Set(['eventbridge_access_denied']),
    );
    await until(() => expect(stateOf(under, 'bus')).toBe('up'));
  });

  test('refuses one entry for good: a dead letter with the entry, its neighbours are published', async () => {
    const sandbox = await sandboxForTest();
    const configuration = await copyConfiguration();
    const expression = `{ "source": payload.source ? payload.source : "genesys.cloud", "detail-type": "interaction.event", "time": createdTime, "detail": { "interactionId": id } }`;
    await writeFile(configuration.expressionFile, expression);
    const under = await workerOn(sandbox, { schemaMode: 'off', configuration });
    await connected(under);
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { ids: ['bad-source'], code: 'InvalidArgument' },
    });
    const bad = interaction({ payload: { priority: 'high', source: 'bad-source' } });
    sandbox.emit([interaction(), bad, interaction()]);
    await until(() => expect(letters(sandbox)).toHaveLength(1));
    await settled(under, 3);
    expect(letters(sandbox)[0]).toMatchObject({
      stage: 'publish',
      errorCode: 'eventbridge_invalid_argument',
      attempts: 1,
      eventId: eventIdOf(keyOfEvent(bad)),
      originalEvent: bad,
      transformedEvent: { source: 'bad-source', detailType: 'interaction.event' },
    });
    expect(under.stats.counts).toMatchObject({ published: 2, failed: 1 });
  });
});

describe('the dead-letter queue', () => {
  test('is missing at the start and created later: letters wait on disk, publishing goes on', async () => {
    const sandbox = await sandboxForTest({ deadLetterQueueExists: false });
    const under = await workerOn(sandbox);
    under.worker.start();
    sandbox.emit([interaction({ createdTime: 'never' }), interaction()]);
    await until(() => expect(under.stats.counts).toMatchObject({ published: 1, failed: 1 }));
    // Each is on disk a moment after it was counted.
    await until(() => expect(under.journal).toMatchObject({ letters: 1, events: 0 }));
    await until(() => expect(stateOf(under, 'queue')).toBe('down'));

    sandbox.cloud.createQueue('interaction-bridge-dead-letters');
    await until(() => expect(letters(sandbox)).toHaveLength(1));
    await until(() => expect(under.journal.letters).toBe(0));
    expect(stateOf(under, 'queue')).toBe('up');
  });

  test('breaks a connection now and then: readiness stays green, every letter arrives', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox, { worker: { checkMs: 10 } });
    await connected(under);
    const states = new Set<unknown>();
    const watch = setInterval(() => states.add(stateOf(under, 'queue')), 1);
    const calls = () => sandbox.requests.count('aws.sqs');
    for (let round = 0; round < 5; round += 1) {
      sandbox.faults.add({ target: 'aws.sqs', reset: 'before', times: 1 });
      sandbox.emit([interaction({ createdTime: 'never' })]);
      const before = calls();
      await until(() => expect(calls()).toBeGreaterThan(before + 4));
    }
    await until(() => expect(letters(sandbox)).toHaveLength(5));
    expect([...states]).toEqual(['up']);

    sandbox.faults.add({ id: 'away', target: 'aws.sqs', reset: 'before' });
    await until(() => expect(stateOf(under, 'queue')).toBe('down'));
    sandbox.faults.remove('away');
    await until(() => expect(stateOf(under, 'queue')).toBe('up'));
    clearInterval(watch);
  });

  test('is down while events are rejected: every letter arrives, once', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.faults.add({ id: 'sqs', target: 'aws.sqs', status: 503 });
    const bad = Array.from({ length: 60 }, () => interaction({ createdTime: 'never' }));
    sandbox.emit([...bad, ...interactions(20)]);
    await until(() => expect(under.stats.counts).toMatchObject({ published: 20, failed: 60 }));
    await until(() => expect(stateOf(under, 'queue')).toBe('down'));
    sandbox.faults.remove('sqs');
    await until(() => expect(under.journal.letters).toBe(0));
    expect(
      letters(sandbox)
        .map(({ originalEvent }) => (originalEvent as { id: string }).id)
        .sort(),
    ).toEqual(bad.map(({ id }) => id));
  });
});

describe('the stream', () => {
  test('breaks in the middle of a UTF-8 character: the next events are whole', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.faults.add({
      target: 'genesys.stream',
      stream: { kind: 'cut-character', afterEvents: 3 },
      times: 1,
    });
    const events = interactions(10);
    sandbox.emit(events.slice(0, 4));
    await until(() => expect(sandbox.faults.list()[0]?.hits).toBe(1));
    await until(() =>
      expect(under.worker.status().worker['stream']).toMatchObject({ connections: 2 }),
    );
    sandbox.emit(events.slice(4));
    await until(() => expect(under.stats.counts.published).toBeGreaterThanOrEqual(9));
    expect(letters(sandbox)).toEqual([]);
    expect(JSON.stringify(sandbox.cloud.busEvents)).not.toContain('\uFFFD');
  });

  test('falls silent: it is opened again', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox, { livenessMs: 200 });
    await connected(under);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'silence' }, times: 1 });
    sandbox.emit(interactions(1));
    await until(() =>
      expect(under.worker.status().worker['stream']).toMatchObject({ connections: 2 }),
    );
    sandbox.emit(interactions(2));
    await until(() => expect(under.stats.counts.published).toBeGreaterThanOrEqual(2));
  });

  test('sends its last events again after a reconnect: they are published once', async () => {
    const sandbox = await sandboxForTest({ duplicatesAfterReconnect: 5 });
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.emit(interactions(8));
    await until(() => expect(under.stats.counts.published).toBe(8));
    sandbox.stream.cut();
    await until(() => expect(under.stats.counts.duplicates).toBeGreaterThanOrEqual(5));
    sandbox.emit(interactions(1));
    await until(() => expect(under.stats.counts.published).toBe(9));
    expect(sandbox.cloud.acceptedIds.length).toBe(9);
  });

  test('loses its token in the middle: a fresh one, and on it goes', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.tokens.revokeAll();
    sandbox.stream.cut();
    await until(() =>
      expect(under.worker.status().worker['stream']).toMatchObject({ connections: 2 }),
    );
    sandbox.emit(interactions(3));
    await until(() => expect(under.stats.counts.published).toBe(3));
  });

  test('may not be read: readiness names the scope', async () => {
    const sandbox = await sandboxForTest({ scopes: { clientCredentials: [] } });
    const under = await workerOn(sandbox);
    under.worker.start();
    await until(() => expect(stateOf(under, 'stream')).toBe('down'));
    const stream = under.health.snapshot().find(({ name }) => name === 'stream');
    expect(stream?.lastError?.message).toContain('event:subscribe');
  });

  test('whose subscription was deleted gets a new one', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    const [first = ''] = sandbox.stream.subscriptions();
    sandbox.stream.deleteSubscription(first);
    await until(() => expect(sandbox.stream.subscriptions()).toHaveLength(1));
    expect(sandbox.stream.subscriptions()).not.toEqual([first]);
    await until(() => expect(sandbox.stream.clients()).toBe(1));
    sandbox.emit(interactions(2));
    await until(() => expect(under.stats.counts.published).toBe(2));
    expect(under.journal.recall('subscription')).toBe(sandbox.stream.subscriptions()[0]);
  });

  test('sends garbage and endless lines: dead letters, and the events between them', async () => {
    const sandbox = await sandboxForTest();
    const under = await workerOn(sandbox);
    await connected(under);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'garbage' }, times: 1 });
    sandbox.faults.add({
      target: 'genesys.stream',
      stream: { kind: 'long-line', bytes: 3_000_000 },
      times: 1,
    });
    sandbox.emit(interactions(5));
    await until(() => expect(under.stats.counts.published).toBe(5));
    await until(() => expect(letters(sandbox)).toHaveLength(2));
    for (const { stage, originalEvent } of letters(sandbox)) {
      expect(stage).toBe('read');
      expect(String(originalEvent).length).toBeLessThanOrEqual(262_144);
    }
  });
});

test('an expression that is edited to nonsense: the last good one stays in use', async () => {
  const sandbox = await sandboxForTest();
  const configuration = await copyConfiguration();
  const under = await workerOn(sandbox, { configuration });
  await connected(under);
  await writeFile(configuration.expressionFile, '{ "source": ');
  await under.pipeline.reload();
  sandbox.emit(interactions(5));
  await until(() => expect(under.stats.counts.published).toBe(5));
  expect(letters(sandbox)).toEqual([]);
  expect(under.pipeline.problems).toHaveLength(1);
});
