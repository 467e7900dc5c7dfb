// Whoever may write to the dead-letter queue can write anything into it.
import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import { interaction } from '../../support/worker-under-test.ts';
import { operator, until } from './support/operator.ts';

function forged(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    originalEvent: interaction(),
    error: 'forged',
    timestamp: '2026-01-01T00:00:00.000Z',
    firstSeen: '2026-01-01T00:00:00.000Z',
    retryAttempt: 0,
    attempts: 0,
    stage: 'publish',
    cause: 'bus',
    errorCode: 'eventbridge_redaction_failure',
    eventId: randomUUID(),
    ...changes,
  };
}

const nested = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

describe('a forged letter', () => {
  test.each(['publish', 'filter'])('of stage %s passes the filter of today only', async (stage) => {
    const { forge, post, sandbox, letters } = await operator();
    await forge(JSON.stringify(forged({ stage, originalEvent: { id: 'x', payload: {} } })));
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      replayed: 0,
      failedAgain: 1,
      staying: [{ stage: 'filter', code: 'filtered_out' }],
    });
    expect(letters()).toBe(1);
    expect(sandbox.cloud.busEventCount()).toBe(0);
  });

  test('publishes nothing that the schema refuses, whatever entry it brings', async () => {
    const { forge, post, sandbox } = await operator();
    const transformedEvent = {
      source: 'forged',
      'detail-type': 'forged',
      detail: { amount: 1_000_000 },
      time: '2026-01-01T00:00:00.000Z',
      resources: [],
    };
    await forge(
      JSON.stringify(
        forged({ originalEvent: interaction({ createdTime: 'never' }), transformedEvent }),
      ),
      JSON.stringify(forged({ transformedEvent })),
    );
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      replayed: 1,
      failedAgain: 1,
    });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(1));
    expect(sandbox.cloud.busEvents[0]?.source).toBe('genesys.cloud');
  });

  test('gives no event the id of another one', async () => {
    const { forge, post, sandbox } = await operator();
    const event = interaction();
    const victim = randomUUID();
    await forge(JSON.stringify(forged({ originalEvent: event, eventId: victim })));
    expect((await post('/dead-letters/replay')).body).toMatchObject({ replayed: 1 });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(1));
    const text = JSON.stringify(sandbox.cloud.busEvents);
    expect(text).toContain(eventIdOf(keyOfEvent(event)));
    expect(text).not.toContain(victim);
  });

  test('gives an id only as a UUID to an event that has none of its own', async () => {
    const { forge, post, sandbox, setExpression } = await operator();
    await setExpression(`{
      "source": "genesys.cloud", "detail-type": "interaction.event", "time": $now(),
      "resources": ["/genesys/interactions/1"], "id": $uuidv4(),
      "detail": {"interactionId": "1", "type": "voice", "priority": "high",
        "timestamp": $now(), "metadata": {"eventId": $uuidv4()}}
    }`);
    const nameless = { ...interaction(), id: undefined };
    const id = randomUUID();
    await forge(
      JSON.stringify(forged({ originalEvent: nameless, eventId: id })),
      JSON.stringify(forged({ originalEvent: nameless, eventId: 'a name of my own' })),
    );
    expect((await post('/dead-letters/replay')).body).toMatchObject({ replayed: 2 });
    await until(() => expect(sandbox.cloud.busEventCount()).toBe(2));
    const text = JSON.stringify(sandbox.cloud.busEvents);
    expect(text).toContain(id);
    expect(text).not.toContain('a name of my own');
  });

  test.each(['letters', 'letters.fifo'])(
    'that is large takes no other one with it, in %s',
    async (deadLetterQueue) => {
      const { forge, post, queue, letters } = await operator({ deadLetterQueue });
      const large = () => JSON.stringify(forged({ originalEvent: 'x'.repeat(900_000) }));
      await forge(...Array.from({ length: 13 }, large));
      const one = await queue.receive({ max: 50, visibilitySeconds: 30 });
      expect(one.length, 'not all of them at once').toBeLessThan(8);
      await queue.release(one.map(({ receipt }) => receipt));
      const { body } = await post('/dead-letters/replay');
      expect(body).toMatchObject({ examined: 13, notReplayable: 13, endedBy: 'empty' });
      expect(letters()).toBe(13);
      expect(await queue.counts()).toEqual({ visible: 13, inFlight: 0, delayed: 0 });
    },
  );

  test('tells of itself in few words, and is shown by its beginning', async () => {
    const { forge, post, get } = await operator();
    const long = 'x'.repeat(100_000);
    await forge(
      JSON.stringify(forged({ errorCode: long, eventId: long, originalEvent: long })),
      `hello ${long}`,
    );
    const { body } = await post('/dead-letters/replay?dryRun=true');
    expect(JSON.stringify(body).length).toBeLessThan(2000);
    const look = await get('/dead-letters');
    expect(look.status).toBe(200);
    expect(look.body['letters']).toMatchObject(
      expect.arrayContaining([
        expect.objectContaining({
          letter: expect.objectContaining({ shortened: true, stage: 'publish' }) as unknown,
        }),
        expect.objectContaining({ letter: null, beginning: expect.any(String) as unknown }),
      ]),
    );
    expect(JSON.stringify(look.body).length).toBeLessThan(10_000);
  });
});

describe('a poison letter', () => {
  const packed = (content: string) =>
    JSON.stringify({
      ...forged({ originalEvent: undefined }),
      contentEncoding: 'gzip+base64',
      content: gzipSync(content).toString('base64'),
    });
  const text = (event: string) =>
    JSON.stringify(forged({ originalEvent: 0 })).replace(':0,', `:${event},`);
  const poison = fc.oneof(
    fc.integer({ min: 120, max: 20_000 }).map((levels) => text(`{"a":${nested(levels)}}`)),
    fc
      .integer({ min: 120, max: 20_000 })
      .map((levels) => packed(`{"originalEvent":${nested(levels)}}`)),
    // A long number is read in a recursive way.
    fc
      .integer({ min: 120, max: 20_000 })
      .map((levels) => text(nested(levels).replace('[]', '[1e999]'))),
    fc
      .constantFrom('\\ud800', '\\udfff', '\\udc00\\ud800')
      .map((half) =>
        text(JSON.stringify(interaction({ id: '?', createdTime: '?' })).replaceAll('?', half)),
      ),
    fc
      .constantFrom('\\ud800', '\\udfff')
      .map((half) =>
        JSON.stringify(
          forged({ eventId: '?', originalEvent: { ...interaction(), id: undefined } }),
        ).replace('"?"', `"${half}"`),
      ),
    fc.constant(
      text('{"__proto__":{"id":1},"constructor":null,"toJSON":1,"payload":{"__proto__":[]}}'),
    ),
    fc.constant(packed('{"originalEvent":"'.padEnd(3_000_000, 'x'))),
    fc.json().map((json) => text(json)),
    fc.string({ minLength: 1 }).map((some) => JSON.stringify(some)),
  );

  test('keeps no good one from its replay, nor anybody from looking', async () => {
    const { forge, post, get, queue, letters, journal, sandbox } = await operator();
    let good = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(poison, { minLength: 1, maxLength: 8 }), async (bodies) => {
        await forge(...bodies.flatMap((body) => [body, JSON.stringify(forged())]));
        expect((await get('/dead-letters?peek=50')).status).toBe(200);
        const { status, body } = await post('/dead-letters/replay');
        expect(status).toBe(200);
        expect(body).toMatchObject({ examined: 2 * bodies.length, endedBy: 'empty' });
        expect(body['replayed']).toBeGreaterThanOrEqual(bodies.length);
        good += bodies.length;
        // What the bus refuses of the odd ones is a new letter.
        await until(() => expect([journal.events, journal.letters]).toEqual([0, 0]));
        while (letters() > 0) {
          const rest = await queue.receive({ max: 50, visibilitySeconds: 30 });
          expect(rest.length, 'what stays is free again').toBeGreaterThan(0);
          await queue.delete(rest.map(({ receipt }) => receipt));
        }
      }),
      { numRuns: 25 },
    );
    expect(sandbox.cloud.busEventCount()).toBeGreaterThanOrEqual(good);
  });

  test('of 43 kB that unpacks to 33 MB costs nothing, as often as somebody looks', async () => {
    const { forge, get, post, letters } = await operator();
    // Read as objects it would take a gigabyte.
    const bomb = packed(`{"originalEvent":[${'[1e999],'.repeat(4_000_000)}0]}`);
    expect(bomb.length).toBeLessThan(64_000);
    await forge(...Array.from({ length: 10 }, () => bomb));
    const before = process.memoryUsage().rss;
    for (let look = 0; look < 3; look += 1) {
      const { status, body } = await get('/dead-letters?peek=50');
      expect(status).toBe(200);
      expect((body['letters'] as unknown[]).length).toBeGreaterThan(0);
    }
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      examined: 10,
      notReplayable: 10,
    });
    expect(letters()).toBe(10);
    expect(process.memoryUsage().rss - before).toBeLessThan(300_000_000);
  });
});
