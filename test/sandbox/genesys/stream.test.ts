import { describe, expect, test } from 'vitest';
import { createInteractions } from '../../../src/sandbox/genesys/interactions.ts';
import {
  createCaller,
  interaction,
  readStream,
  SUBSCRIPTION,
  SUBSCRIPTIONS,
  sandboxWith,
  subscribe,
  TEXT,
  until,
} from '../caller.ts';

const NEVER_CUT = { awkwardShare: 0, keepAliveMs: 60_000 };

function events(lines: readonly string[]): Record<string, unknown>[] {
  return lines.flatMap((line) => JSON.parse(line) as Record<string, unknown>[]);
}

describe('a subscription', () => {
  test('is created with its own or a new id, as often as one likes', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);

    const own = await caller.post(SUBSCRIPTIONS, SUBSCRIPTION);
    const again = await caller.post(SUBSCRIPTIONS, SUBSCRIPTION);
    const { id: _id, ...withoutId } = SUBSCRIPTION;
    const given = await caller.post(SUBSCRIPTIONS, withoutId);

    expect(own).toMatchObject({ status: 200, body: { id: SUBSCRIPTION.id } });
    expect(again.body['id']).toBe(SUBSCRIPTION.id);
    expect(given.body['id']).toEqual(TEXT);
    expect(sandbox.stream.subscriptions()).toHaveLength(2);
  });

  test.each([
    ['no name', { ...SUBSCRIPTION, name: undefined }],
    ['no resource types', { ...SUBSCRIPTION, resourceTypes: [] }],
    ['an id with a slash', { ...SUBSCRIPTION, id: 'a/b' }],
  ])('%s: a 400', async (_what, subscription) => {
    const caller = await createCaller(await sandboxWith());
    expect((await caller.post(SUBSCRIPTIONS, subscription)).status).toBe(400);
  });

  test('that is unknown or deleted is a 404', async () => {
    const sandbox = await sandboxWith();
    await subscribe(sandbox);
    const reader = await readStream(sandbox);

    expect((await readStream(sandbox, 'other')).status).toBe(404);
    sandbox.stream.deleteSubscription(SUBSCRIPTION.id);
    await until(() => reader.ended() === 'broken');
    expect((await readStream(sandbox)).status).toBe(404);
  });

  test('needs the scope event:subscribe', async () => {
    const sandbox = await sandboxWith({ deniedPermissions: ['event:subscribe'] });
    const caller = await createCaller(sandbox);
    const { status, body } = await caller.post(SUBSCRIPTIONS, SUBSCRIPTION);
    expect(status).toBe(403);
    expect(body['message']).toContain('event:subscribe');
  });
});

describe('a stream', () => {
  test('brings events and raw lines as they were given, to every reader', async () => {
    const sandbox = await sandboxWith({ awkwardShare: 1 });
    await subscribe(sandbox);
    const readers = [await readStream(sandbox), await readStream(sandbox)];
    const given = [interaction('i-1'), interaction('i-2')];

    sandbox.emit([...given, 'not { json']);

    await until(() => readers.every((reader) => reader.lines().length === 3));
    for (const reader of readers) {
      expect(events(reader.lines().slice(0, 2))).toEqual(given);
      expect(reader.lines()[2]).toBe('not { json');
    }
    await until(() => sandbox.stream.sent().events === 6);
    expect(sandbox.stream.sent()).toMatchObject({ matching: 4, other: 0, invalid: 2 });
    expect([...sandbox.stream.sentIds('matching')].sort()).toEqual(['i-1', 'i-1', 'i-2', 'i-2']);
  });

  test('cuts its chunks at any byte', async () => {
    const sandbox = await sandboxWith({ awkwardShare: 1, keepAliveMs: 60_000 });
    await subscribe(sandbox);
    const reader = await readStream(sandbox);
    for (let count = 1; count <= 10; count += 1) {
      sandbox.emit([interaction(`i-${count}`)]);
      await until(() => reader.lines().length === count);
    }
    expect(reader.chunks()).toBeGreaterThan(10);
  });

  test('keeps alive with blank lines', async () => {
    const sandbox = await sandboxWith({ keepAliveMs: 5 });
    await subscribe(sandbox);
    const reader = await readStream(sandbox);
    await until(() => reader.bytes().length >= 3);
    expect(reader.bytes().toString().trim()).toBe('');
  });

  test('keeps what was emitted before anybody subscribed, and while nobody read', async () => {
    const sandbox = await sandboxWith(NEVER_CUT);
    sandbox.emit([interaction('early')]);
    await subscribe(sandbox);
    sandbox.emit([interaction('unread')]);
    const first = await readStream(sandbox);
    await until(() => first.lines().length === 2);
    first.close();
    await until(() => sandbox.stream.clients() === 0);
    sandbox.emit([interaction('later')]);

    const second = await readStream(sandbox);
    await until(() => second.lines().length === 1);

    expect(events(first.lines()).map(({ id }) => id)).toEqual(['early', 'unread']);
    expect(events(second.lines()).map(({ id }) => id)).toEqual(['later']);
  });

  test('drops the oldest when more is unread than it keeps, and counts them', async () => {
    const sandbox = await sandboxWith({ ...NEVER_CUT, bufferEvents: 2 });
    await subscribe(sandbox);
    sandbox.emit(['1', '2', '3', '4', '5'].map(interaction));
    const reader = await readStream(sandbox);
    await until(() => reader.lines().length === 2);
    expect(events(reader.lines()).map(({ id }) => id)).toEqual(['4', '5']);
    expect(sandbox.stream.sent().dropped).toBe(3);
  });

  test('can repeat its last events to whoever connects again', async () => {
    const sandbox = await sandboxWith({ ...NEVER_CUT, duplicatesAfterReconnect: 2 });
    await subscribe(sandbox);
    const first = await readStream(sandbox);
    sandbox.emit(['1', '2', '3'].map(interaction));
    await until(() => first.lines().length === 3);
    first.close();
    await until(() => sandbox.stream.clients() === 0);

    const second = await readStream(sandbox);
    await until(() => second.lines().length === 2);

    expect(events(second.lines()).map(({ id }) => id)).toEqual(['2', '3']);
    await until(() => sandbox.stream.sent().duplicates === 2);
    expect(sandbox.stream.sent().events).toBe(3);
  });

  test('goes on when tokens are revoked; the next connection needs a new one', async () => {
    const sandbox = await sandboxWith();
    await subscribe(sandbox);
    const reader = await readStream(sandbox);
    sandbox.tokens.revokeAll();
    sandbox.emit([interaction('i-1')]);
    await until(() => reader.lines().length === 1);
    sandbox.stream.cut();
    await until(() => reader.ended() === 'broken');
  });
});

describe('traffic', () => {
  test('flows at a rate and stops; every kind of event is counted by its id', async () => {
    const sandbox = await sandboxWith({ malformedShare: 0.2 });
    await subscribe(sandbox);
    const reader = await readStream(sandbox);

    sandbox.traffic.set(2000);
    await until(() => sandbox.stream.sent().invalid > 10);
    sandbox.traffic.set(0);
    const { matching, other, invalid, events: total } = sandbox.stream.sent();

    expect(matching + other + invalid).toBe(total);
    expect(matching).toBeGreaterThan(0);
    expect(other).toBeGreaterThan(0);
    const ids = [...sandbox.stream.sentIds('matching'), ...sandbox.stream.sentIds('other')];
    expect(new Set(ids).size).toBe(matching + other);
    await until(() => ids.every((id) => reader.bytes().includes(id)));
  });

  test('without limit it waits for a reader who does not read', async () => {
    const sandbox = await sandboxWith();
    await subscribe(sandbox);
    const { headers } = await createCaller(sandbox);
    const response = await fetch(`${sandbox.url}${SUBSCRIPTIONS}/${SUBSCRIPTION.id}/events`, {
      headers,
    });
    sandbox.traffic.set(Infinity);
    await until(() => sandbox.stream.demand() === 'blocked');
    // Nothing moves once the sockets are full.
    let before = -1;
    await until(() => {
      const same = before === sandbox.stream.sent().bytes;
      before = sandbox.stream.sent().bytes;
      return same && sandbox.stream.demand() === 'blocked';
    });
    await response.body?.cancel();
    await until(() => sandbox.stream.demand() === 'buffered');
  });
});

describe('interactions', () => {
  test('has as many that do not match as is asked for', () => {
    const interactions = (otherShare: number) =>
      createInteractions({ seed: 3, malformedShare: 0, arrayShare: 0.1, otherShare });
    expect(interactions(0).next(500, false).counts).toMatchObject({ other: 0, invalid: 0 });
    expect(interactions(1).next(500, false).counts).toMatchObject({ matching: 0, invalid: 0 });
  });

  test('are believable: all channels, priorities, both kinds, names from everywhere', () => {
    const { bytes } = createInteractions({ seed: 1, malformedShare: 0, arrayShare: 0.2 }).next(
      200,
      true,
    );
    const lines = bytes.toString('utf8').trimEnd().split('\n');
    const all = events(lines);
    const text = bytes.toString('utf8');

    expect(lines.length).toBeLessThan(all.length);
    for (const word of ['voice', 'chat', 'email', 'message', 'callback', 'low', 'medium', 'high']) {
      expect(text).toContain(`"${word}"`);
    }
    for (const word of ['created', 'updated', 'Priority Support', '顧客サポート', 'Müller']) {
      expect(text).toContain(word);
    }
    expect(new Set(all.map(({ id }) => id)).size).toBe(all.length);
    for (const { createdTime } of all) {
      expect(new Date(String(createdTime)).toISOString()).toBe(createdTime);
    }
  });

  test('of the same seed are the same but for ids and times', () => {
    const make = () => {
      const { bytes } = createInteractions({ seed: 9, malformedShare: 0.3, arrayShare: 0.1 }).next(
        100,
        false,
      );
      return bytes
        .toString('utf8')
        .replaceAll(/[\da-f]{8}-1a2b-4000-8000-[\da-f]{12}|\d{4}-\d\d-\d\dT[\d:.]+Z/g, '');
    };
    expect(make()).toBe(make());
  });
});
