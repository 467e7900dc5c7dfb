import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { interaction } from '../../support/worker-under-test.ts';
import { operator, until } from './support/operator.ts';

const queues = ['letters', 'letters.fifo'];

interface Sent {
  readonly originalEvent: unknown;
  readonly stage: string;
  readonly errorCode: string;
  readonly eventId: string;
}

function letterText(sent: Partial<Sent> = {}): string {
  return JSON.stringify({
    originalEvent: 'PAYLOAD of a line',
    error: 'PAYLOAD',
    timestamp: '2026-01-01T00:00:00.000Z',
    firstSeen: '2026-01-01T00:00:00.000Z',
    retryAttempt: 0,
    attempts: 0,
    stage: 'read',
    errorCode: 'malformed_line',
    eventId: randomUUID(),
    ...sent,
  });
}

test.each(queues)(
  'what holds no event is counted, then deleted, from %s',
  async (deadLetterQueue) => {
    const { forge, post, letters, sandbox, logged } = await operator({ deadLetterQueue });
    const lost = Array.from({ length: 14 }, () => letterText());
    const cut = letterText({ stage: 'validate', errorCode: 'schema_violation' });
    const hopeless = letterText({
      originalEvent: interaction({ createdTime: 'never' }),
      stage: 'validate',
      errorCode: 'schema_violation',
    });
    await forge(...lost, cut, hopeless, letterText({ originalEvent: interaction() }), 'foreign');
    const numbers = { examined: 18, discarded: 15, kept: 3, notDeleted: 0, endedBy: 'empty' };
    const reasons = [
      { stage: 'read', code: 'malformed_line', letters: 14 },
      { stage: 'validate', code: 'schema_violation', letters: 1 },
    ];

    const dry = await post('/dead-letters/discard?dryRun=true');
    expect(dry).toMatchObject({ status: 200, body: { ...numbers, dryRun: true, reasons } });
    expect(letters()).toBe(18);
    expect(logged.filter(({ msg }) => msg === 'Dead letter discarded')).toEqual([]);

    const real = await post('/dead-letters/discard');
    expect({ ...real.body, dryRun: true }).toEqual(dry.body);
    expect(letters()).toBe(3);
    const told = logged.filter(({ msg }) => msg === 'Dead letter discarded');
    expect(told).toHaveLength(15);
    for (const line of told) {
      expect(line).toMatchObject({
        eventId: expect.any(String) as unknown,
        stage: expect.any(String) as unknown,
        code: expect.any(String) as unknown,
      });
    }
    expect(JSON.stringify(logged)).not.toContain('PAYLOAD');

    // Somebody else's message goes only by its name.
    const foreign = await post('/dead-letters/discard?code=not_a_letter');
    expect(foreign.body).toMatchObject({ discarded: 1, passedOver: 2 });
    expect(sandbox.cloud.deadLetters().map(({ body }) => body)).not.toContain('foreign');
    expect(letters()).toBe(2);
  },
);

test.each(queues)('stage, code and event id choose letters of %s', async (deadLetterQueue) => {
  const { forge, post, sandbox, journal } = await operator({ deadLetterQueue });
  const sent = fc.record({
    hasEvent: fc.boolean(),
    stage: fc.constantFrom('read', 'transform', 'publish'),
    errorCode: fc.constantFrom('a', 'b'),
    eventId: fc.constantFrom('1', '2', '3'),
  });
  const asked = fc.record(
    {
      stage: fc.constantFrom('read', 'transform', 'publish'),
      code: fc.constantFrom('a', 'b'),
      eventId: fc.constantFrom('1', '2', '3'),
    },
    { requiredKeys: [] },
  );
  await fc.assert(
    fc.asyncProperty(
      fc.array(sent, { minLength: 1, maxLength: 25 }),
      asked,
      fc.constantFrom('replay', 'discard'),
      async (all, query, work) => {
        await forge(
          ...all.map(({ hasEvent, ...letter }) =>
            letterText({ ...letter, originalEvent: hasEvent ? interaction() : 'a line' }),
          ),
        );
        const chosen = all.filter(
          ({ stage, errorCode, eventId }) =>
            (query.stage ?? stage) === stage &&
            (query.code ?? errorCode) === errorCode &&
            (query.eventId ?? eventId) === eventId,
        );
        const done = chosen.filter(({ hasEvent }) => hasEvent === (work === 'replay')).length;
        const { body } = await post(
          `/dead-letters/${work}?${new URLSearchParams(query).toString()}`,
        );
        expect(body).toMatchObject({
          examined: all.length,
          passedOver: all.length - chosen.length,
          [work === 'replay' ? 'replayed' : 'discarded']: done,
          endedBy: 'empty',
        });
        expect(sandbox.cloud.deadLetters()).toHaveLength(all.length - done);
        await until(() => expect(journal.events).toBe(0));
        sandbox.cloud.reset();
      },
    ),
    { numRuns: 20 },
  );
});

test('tells of no more than fifty reasons', async () => {
  const { forge, post } = await operator();
  await forge(...Array.from({ length: 60 }, (_, n) => letterText({ errorCode: `made-up-${n}` })));
  const { body } = await post('/dead-letters/discard?dryRun=true');
  const reasons = body['reasons'] as { code: string; letters: number }[];
  expect(reasons).toHaveLength(51);
  expect(reasons.find(({ code }) => code === 'others')?.letters).toBe(10);
});

test('what cannot be deleted is not told as discarded', async () => {
  const { forge, post, sandbox, letters, logged } = await operator();
  await forge(letterText(), letterText());
  sandbox.faults.add({ target: 'aws.sqs.DeleteMessageBatch', status: 403, code: 'AccessDenied' });
  const { body } = await post('/dead-letters/discard');
  expect(body).toMatchObject({ discarded: 0, notDeleted: 2, reasons: [] });
  expect(letters()).toBe(2);
  expect(logged.map(({ msg }) => msg)).not.toContain('Dead letter discarded');
});

test('a dry run is not logged as a replay, and one runs at a time', async () => {
  const { forge, post, get, sandbox, logged } = await operator();
  await forge(letterText());
  await post('/dead-letters/replay?dryRun=true');
  expect(logged.map(({ msg }) => msg)).toContain('Dead letters judged');
  expect(logged.map(({ msg }) => msg)).not.toContain('Dead letters replayed');
  sandbox.faults.add({ target: 'aws.sqs.ReceiveMessage', latencyMs: 500 });
  const first = post('/dead-letters/discard?dryRun=true');
  await until(() =>
    expect(sandbox.requests.maxInFlight('aws.sqs.ReceiveMessage')).toBeGreaterThan(0),
  );
  expect((await get('/dead-letters?peek=0')).body).toMatchObject({ replay: { work: 'discard' } });
  expect(await post('/dead-letters/replay')).toMatchObject({
    status: 409,
    body: { code: 'replay_running' },
  });
  expect((await first).status).toBe(200);
  expect((await post('/dead-letters/discard?stage=elsewhere')).status).toBe(400);
  expect((await post(`/dead-letters/discard?code=${'x'.repeat(129)}`)).status).toBe(400);
});
