import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test, vi } from 'vitest';
import type { ReplayReport } from '../../../src/events/dead-letters/replay.ts';
import type { DeadLetter } from '../../../src/events/ports.ts';
import { interaction } from '../../support/worker-under-test.ts';
import { operator, until } from './support/operator.ts';

const GOOD = await readFile('config/event-transform.jsonata', 'utf8');
/** What an older expression had made; no replay publishes it. */
const STALE_ENTRY = {
  source: 'stale',
  detailType: 'stale',
  detail: '{}',
  time: '2026-01-01T00:00:00.000Z',
  resources: [],
};
const BAD = GOOD.replace('"genesys.cloud"', '"somewhere.else"');

describe('looking at dead letters', () => {
  test('shows counts and letters, and leaves them in the queue', async () => {
    const { sandbox, get, letters, journal } = await operator();
    const bad = interaction({ createdTime: 'never' });
    sandbox.emit([bad, 'not JSON']);
    await until(() => expect(letters()).toBe(2));
    // The journal forgets what the queue has a moment later.
    await until(() => expect(journal.letters).toBe(0));

    for (let look = 0; look < 2; look += 1) {
      const { status, body } = await get('/dead-letters?peek=5');
      expect(status).toBe(200);
      expect(body['queue']).toEqual({ visible: 2, inFlight: 0, delayed: 0 });
      expect(body['waiting']).toEqual({ letters: 0, oldestSeconds: 0 });
      expect(body['oldestShownSeconds']).toBeGreaterThanOrEqual(0);
      const shown = body['letters'] as { letter: { stage: string } }[];
      expect(shown.map(({ letter }) => letter.stage).sort()).toEqual(['read', 'validate']);
    }
    const { body } = await get('/dead-letters?peek=0');
    expect(body['letters']).toEqual([]);
  });

  test('refuses what is out of range', async () => {
    const { get, post } = await operator();
    expect((await get('/dead-letters?peek=51')).status).toBe(400);
    expect((await post('/dead-letters/replay?max=0')).status).toBe(400);
  });
});

describe('replaying', () => {
  test('publishes what passes today, with the same id, and keeps the rest', async () => {
    const { sandbox, setExpression, post, letters, stats, journal } = await operator();
    const events = [interaction(), interaction(), interaction()];
    const hopeless = interaction({ createdTime: 'never' });
    await setExpression(BAD);
    sandbox.emit([...events, hopeless, 'not JSON']);
    await until(() => expect(letters()).toBe(5));
    await setExpression(GOOD);

    const dry = await post('/dead-letters/replay?dryRun=true');
    const expected = { examined: 5, replayed: 3, failedAgain: 1, notReplayable: 1, notDeleted: 0 };
    expect(dry.body).toMatchObject({ ...expected, dryRun: true });
    expect(letters()).toBe(5);
    expect(sandbox.cloud.busEventCount()).toBe(0);

    const real = await post('/dead-letters/replay');
    expect(real.status).toBe(200);
    expect(real.body).toMatchObject({
      ...expected,
      dryRun: false,
      counts: { visible: 5 },
      endedBy: 'empty',
    });
    expect((real.body as unknown as ReplayReport).staying).toHaveLength(2);
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(3));
    expect([...sandbox.cloud.acceptedIds].sort()).toEqual(events.map(({ id }) => id));
    expect(letters()).toBe(2);
    await until(() =>
      expect(stats.counts).toMatchObject({ ingested: 4, published: 3, replayed: 3 }),
    );
    await until(() => expect(journal.events).toBe(0));
    // What stays can be received again at once.
    const again = await post('/dead-letters/replay?dryRun=true');
    expect(again.body).toMatchObject({ examined: 2 });
  });

  test('what only the bus had refused goes through the expression of today', async () => {
    const { sandbox, setExpression, post, letters } = await operator();
    sandbox.faults.add({
      id: 'refuse',
      target: 'aws.events.PutEvents',
      entryFailures: { rate: 1, code: 'RedactionFailure' },
    });
    sandbox.emit([interaction()]);
    await until(() => expect(letters()).toBe(1));
    sandbox.faults.clear();
    await setExpression(BAD);
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      replayed: 0,
      failedAgain: 1,
      staying: [{ stage: 'validate', code: 'schema_violation' }],
    });
    expect(letters()).toBe(1);

    await setExpression(GOOD.replace('"resources": [', '"resources": ["today", '));
    expect((await post('/dead-letters/replay')).body).toMatchObject({ replayed: 1 });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(1));
    expect(sandbox.cloud.busEvents[0]?.resources).toContain('today');
    expect(letters()).toBe(0);
  });

  test('ends with the letters that were there when it began', async () => {
    const { sandbox, post, letters, queue, stats } = await operator();
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { rate: 1, code: 'InvalidArgument' },
    });
    sandbox.emit(Array.from({ length: 60 }, () => interaction()));
    await until(() => expect(letters()).toBe(60));
    // Slow enough for the new letters to be in the queue before the old ones are all looked at.
    sandbox.faults.add({ target: 'aws.sqs.DeleteMessageBatch', latencyMs: 200 });
    const { body } = await post('/dead-letters/replay');
    expect(body).toMatchObject({ examined: 60, replayed: 60, endedBy: 'empty' });
    await until(() => expect(stats.counts.failed).toBe(120));
    await until(() => expect(letters()).toBe(60));
    await vi.waitFor(async () => expect(await queue.counts()).toMatchObject({ visible: 60 }));
  });

  test('a dry run says what a replay does, whatever the letters are', async () => {
    const { post, queue, letters, sandbox } = await operator();
    const made = {
      error: 'made',
      timestamp: '2026-01-01T00:00:00.000Z',
      firstSeen: '2026-01-01T00:00:00.000Z',
    };
    const originals = {
      good: () => interaction(),
      hopeless: () => interaction({ createdTime: 'never' }),
      'no event': () => 'not JSON',
    };
    const letter = fc.record({
      kind: fc.constantFrom('good', 'hopeless', 'no event'),
      stage: fc.constantFrom('transform', 'validate', 'publish'),
      cause: fc.constantFrom('entry', 'bus', 'retries', undefined),
      stale: fc.boolean(),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(letter, { minLength: 1, maxLength: 30 }), async (mix) => {
        const sent = mix.map(
          ({ kind, stage, cause, stale }): DeadLetter => ({
            ...made,
            originalEvent: originals[kind](),
            retryAttempt: 0,
            attempts: 0,
            stage,
            ...(cause !== undefined && { cause }),
            errorCode: 'made',
            eventId: randomUUID(),
            ...(stale && { transformedEvent: STALE_ENTRY }),
          }),
        );
        expect(await queue.send(sent)).toEqual(mix.map(() => undefined));
        const dry = await post('/dead-letters/replay?dryRun=true');
        const real = await post('/dead-letters/replay');
        expect({ ...real.body, dryRun: true }).toEqual(dry.body);
        expect(real.body['replayed']).toBe(mix.filter(({ kind }) => kind === 'good').length);
        const rest = await queue.receive({ max: 50, visibilitySeconds: 30 });
        expect(rest).toHaveLength(mix.filter(({ kind }) => kind !== 'good').length);
        await queue.delete(rest.map(({ receipt }) => receipt));
        expect(letters()).toBe(0);
      }),
      { numRuns: 15 },
    );
    expect(sandbox.cloud.busEvents.every(({ source }) => source === 'genesys.cloud')).toBe(true);
  });

  test('an entry that the bus found wrong goes through the expression of today', async () => {
    const { sandbox, setExpression, post, letters } = await operator();
    await setExpression(GOOD.replace('"genesys.cloud"', '"genesys.cloud.wrong"'));
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { rate: 1, code: 'InvalidArgument' },
    });
    sandbox.emit([interaction()]);
    await until(() => expect(letters()).toBe(1));
    sandbox.faults.clear();
    await setExpression(GOOD);

    const { body } = await post('/dead-letters/replay');
    expect(body).toMatchObject({ replayed: 1, failedAgain: 0 });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(1));
    expect(sandbox.cloud.busEvents[0]?.source).toBe('genesys.cloud');
  });

  test('looks at no more than asked', async () => {
    const { sandbox, post, letters } = await operator();
    sandbox.emit(Array.from({ length: 12 }, () => interaction({ createdTime: 'never' })));
    await until(() => expect(letters()).toBe(12));
    const { body } = await post('/dead-letters/replay?max=7');
    expect(body).toMatchObject({ examined: 7, failedAgain: 7, endedBy: 'max' });
    expect(letters()).toBe(12);
  });

  test('a letter that the bus refuses again is a letter again', async () => {
    const { sandbox, post, letters, stats } = await operator();
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { rate: 1, code: 'InvalidArgument' },
    });
    sandbox.emit([interaction()]);
    await until(() => expect(letters()).toBe(1));
    const { body } = await post('/dead-letters/replay');
    expect(body).toMatchObject({ replayed: 1 });
    await until(() => expect(stats.counts.failed).toBe(2));
    await until(() => expect(letters()).toBe(1));
  });

  test('deletes no letter when its event cannot be taken', async () => {
    const { sandbox, setExpression, post, letters, worker } = await operator();
    await setExpression(BAD);
    sandbox.emit([interaction()]);
    await until(() => expect(letters()).toBe(1));
    await setExpression(GOOD);
    await worker.stop();
    const { status, headers, body } = await post('/dead-letters/replay');
    expect(status).toBe(503);
    expect(body['code']).toBe('worker_not_running');
    expect(Number(headers.get('retry-after'))).toBeGreaterThan(0);
    expect(letters()).toBe(1);
  });

  test('one at a time', async () => {
    const { sandbox, get, post, letters } = await operator();
    sandbox.emit(['not JSON']);
    await until(() => expect(letters()).toBe(1));
    sandbox.faults.add({ target: 'aws.sqs.ReceiveMessage', latencyMs: 500 });
    const first = post('/dead-letters/replay');
    await vi.waitFor(async () =>
      expect((await get('/dead-letters?peek=0')).body).toHaveProperty('replay'),
    );
    const second = await post('/dead-letters/replay');
    expect(second.status).toBe(409);
    expect((await first).status).toBe(200);
  });

  test('reports a missing queue', async () => {
    const { sandbox, get, post } = await operator();
    sandbox.cloud.deleteQueue('interaction-bridge-dead-letters');
    expect((await get('/dead-letters')).status).toBe(502);
    expect((await post('/dead-letters/replay')).status).toBe(502);
  });
});

describe('pause and resume', () => {
  test('hold publishing back and let it go on', async () => {
    const { sandbox, post, journal, stats } = await operator();
    expect(await post('/worker/pause')).toMatchObject({ status: 200, body: { state: 'paused' } });
    sandbox.emit([interaction(), interaction()]);
    await until(() => expect(journal.events).toBe(2));
    expect(await post('/worker/pause')).toMatchObject({ status: 200 });
    expect(sandbox.cloud.busEventCount()).toBe(0);
    expect(await post('/worker/resume')).toMatchObject({ body: { state: 'running' } });
    await until(() => expect(stats.counts.published).toBe(2));
  });

  test('are conflicts when the worker has stopped', async () => {
    const { post, worker } = await operator();
    await worker.stop();
    expect((await post('/worker/pause')).status).toBe(409);
    expect((await post('/worker/resume')).status).toBe(409);
  });
});
