import { readFile } from 'node:fs/promises';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { interaction } from '../../support/worker-under-test.ts';
import { operator, until } from './support/operator.ts';

const onFifo = () => operator({ deadLetterQueue: 'letters.fifo' });
const hopeless = () => interaction({ createdTime: 'never' });

describe('a FIFO queue', () => {
  test('gives all its letters to a dry run and a replay, however many stay', async () => {
    const { sandbox, post, letters } = await onFifo();
    sandbox.emit(Array.from({ length: 34 }, hopeless));
    await until(() => expect(letters()).toBe(34));
    const ids = () => sandbox.cloud.deadLetters().map(({ body }) => eventIdIn(body));
    const before = ids();
    for (const dryRun of [true, false, true]) {
      const { body } = await post(`/dead-letters/replay?dryRun=${dryRun}`);
      expect(body).toMatchObject({ examined: 34, failedAgain: 34, replayed: 0, endedBy: 'empty' });
      // Each once, in their order, whole.
      expect(ids()).toEqual(before);
    }
  });

  test('keeps messages of others as they are, in their group', async () => {
    const { sandbox, forge, post, queue } = await onFifo();
    await forge('hello', '{"a":1}');
    sandbox.emit([hopeless()]);
    await until(() => expect(sandbox.cloud.deadLetters()).toHaveLength(3));
    const seen = () =>
      sandbox.cloud
        .deadLetters()
        .map(({ body, attributes, groupId }) => ({ body, attributes, groupId }));
    const before = seen();
    expect((await post('/dead-letters/replay')).body).toMatchObject({ examined: 3 });
    expect(seen()).toEqual(expect.arrayContaining(before));
    expect(await queue.counts()).toEqual({ visible: 3, inFlight: 0, delayed: 0 });
  });

  test('replays behind letters that stay, whatever their order', async () => {
    const { sandbox, post, letters, setExpression, journal } = await onFifo();
    const GOOD = await readFile('config/event-transform.jsonata', 'utf8');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.boolean(), { minLength: 11, maxLength: 40 }), async (mix) => {
        await setExpression('"broken"');
        sandbox.emit(mix.map((isGood) => (isGood ? interaction() : hopeless())));
        await until(() => expect(letters()).toBe(mix.length));
        await setExpression(GOOD);
        const good = mix.filter(Boolean).length;
        const dry = await post('/dead-letters/replay?dryRun=true');
        const real = await post('/dead-letters/replay');
        expect(real.body).toMatchObject({ examined: mix.length, replayed: good });
        expect({ ...real.body, dryRun: true }).toEqual(dry.body);
        expect(letters()).toBe(mix.length - good);
        await until(() => expect(journal.events).toBe(0));
        sandbox.cloud.reset();
      }),
      { numRuns: 8 },
    );
  });

  test('loses no letter when it cannot be moved, and says so', async () => {
    const { sandbox, post, letters, queue } = await onFifo();
    sandbox.emit(Array.from({ length: 12 }, hopeless));
    await until(() => expect(letters()).toBe(12));
    sandbox.faults.add({ target: 'aws.sqs.SendMessageBatch', status: 503 });
    const { body } = await post('/dead-letters/replay');
    expect(body).toMatchObject({ examined: 10, endedBy: 'held_back' });
    sandbox.faults.clear();
    sandbox.faults.add({ target: 'aws.sqs.DeleteMessageBatch', status: 503 });
    expect((await post('/dead-letters/replay')).body).toMatchObject({ endedBy: 'held_back' });
    sandbox.faults.clear();
    // Sent, and not deleted: there twice, rather than not at all.
    expect(letters()).toBe(22);
    expect(await queue.counts()).toMatchObject({ visible: 22, inFlight: 0 });
  });

  test('is not empty while somebody else holds some', async () => {
    const { sandbox, post, letters, queue } = await onFifo();
    sandbox.emit(Array.from({ length: 12 }, hopeless));
    await until(() => expect(letters()).toBe(12));
    const held = await queue.receive({ max: 10, visibilitySeconds: 60 });
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      examined: 0,
      heldByOthers: 10,
      endedBy: 'held_by_others',
    });
    await queue.release(held.map(({ receipt }) => receipt));
    expect((await post('/dead-letters/replay')).body).toMatchObject({
      examined: 12,
      heldByOthers: 0,
      endedBy: 'empty',
    });
  });
});

function eventIdIn(body: string): unknown {
  return (JSON.parse(body) as { eventId: unknown }).eventId;
}
