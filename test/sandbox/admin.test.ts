import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { describe, expect, onTestFinished, test } from 'vitest';
import {
  BATCH,
  createCaller,
  interaction,
  readStream,
  SUBSCRIPTION,
  sandboxWith,
  send,
  subscribe,
  TEXT,
  until,
} from './caller.ts';

function post(url: string, body?: unknown) {
  return send(url, {
    method: 'POST',
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

describe('GET /_sandbox', () => {
  test('lists what there is to see and to do, and each of it answers', async () => {
    const sandbox = await sandboxWith();
    const { body } = await send(`${sandbox.url}/_sandbox/`);

    const pages = Object.keys(body).filter((name) => name.startsWith('GET '));
    expect(pages.length).toBeGreaterThan(8);
    for (const page of pages) {
      expect((await send(sandbox.url + page.slice(4))).status).toBe(200);
    }
  });

  test('shows records, calls and definitions', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    await caller.post(BATCH, { entities: [{ id: 'T1', a: 1 }], partialUpdate: true });
    const look = (path: string) => send(`${sandbox.url}/_sandbox${path}`);

    expect((await look('/records?id=T1')).body).toEqual({ entity: { id: 'T1', a: 1 }, writes: 1 });
    expect((await look('/records?id=T2')).status).toBe(404);
    expect((await look('/records')).body).toMatchObject({ written: 1, kept: 1 });
    expect((await look('/requests?limit=1')).body).toMatchObject({
      counts: { 'genesys.token': { 200: 1 }, 'genesys.customattributes.batch': { 200: 1 } },
      requests: [{ operation: 'genesys.customattributes.batch', method: 'POST', url: BATCH }],
    });
    expect((await look('/requests?limit=x')).status).toBe(400);
    expect((await look('/definitions?orgId=acme')).body).toHaveLength(144);
    expect((await look('/conversations/count?days=60')).body).toEqual({ days: 60, count: 40_000 });
  });

  test('shows what the bus got', async () => {
    const sandbox = await sandboxWith();
    const client = new EventBridgeClient({
      endpoint: sandbox.url,
      region: 'us-east-1',
      credentials: { accessKeyId: 'sandbox', secretAccessKey: 'sandbox' },
    });
    onTestFinished(() => client.destroy());
    const entry = {
      EventBusName: sandbox.environment['EVENTBUS_NAME'],
      Source: 'genesys.cloud',
      DetailType: 'interaction.event',
      Detail: '{"interactionId":"i-1"}',
    };
    await client.send(new PutEventsCommand({ Entries: [entry] }));

    expect((await send(`${sandbox.url}/_sandbox/events`)).body).toMatchObject({
      count: 1,
      events: [{ source: 'genesys.cloud', detail: entry.Detail, eventId: TEXT }],
    });
  });

  test('does not count itself and cannot be broken by a fault', async () => {
    const sandbox = await sandboxWith();
    sandbox.faults.add({ target: '*', status: 500 });
    expect((await send(`${sandbox.url}/_sandbox/faults`)).status).toBe(200);
    expect(sandbox.requests.last()).toEqual([]);
  });

  test('an unknown path is a 404', async () => {
    const sandbox = await sandboxWith();
    expect((await send(`${sandbox.url}/_sandbox/nothing`)).status).toBe(404);
    expect((await send(`${sandbox.url}/somewhere`)).status).toBe(404);
  });
});

describe('steering', () => {
  test('faults come and go', async () => {
    const sandbox = await sandboxWith();
    const url = `${sandbox.url}/_sandbox/faults`;

    const { body } = await post(url, { target: 'genesys', status: 500, times: 3 });
    await post(url, { id: 'mine', target: 'aws', latencyMs: 1 });
    expect(sandbox.faults.list().map(({ id }) => id)).toEqual([body['id'], 'mine']);
    expect((await send(`${url}/mine`, { method: 'DELETE' })).status).toBe(204);
    expect((await send(`${url}/mine`, { method: 'DELETE' })).status).toBe(404);
    await send(url, { method: 'DELETE' });
    expect(sandbox.faults.list()).toEqual([]);
  });

  test.each([
    ['no target', { status: 500 }],
    ['an unknown property', { target: 'genesys', statsu: 500 }],
    ['an unknown target', { target: 'aws.dynamodb', status: 500 }],
    ['a target that ends within a word', { target: 'genesys.tok', status: 500 }],
    ['a rate above one', { target: 'genesys', status: 500, rate: 2 }],
    ['an unknown stream fault', { target: 'genesys.stream', stream: { kind: 'flood' } }],
  ])('a rule with %s is a 400', async (_what, rule) => {
    const sandbox = await sandboxWith();
    const { status, body } = await post(`${sandbox.url}/_sandbox/faults`, rule);
    expect(status).toBe(400);
    expect(body['message']).toContain('The rule is not usable');
    expect(sandbox.faults.list()).toEqual([]);
  });

  test('each target that is listed may be one, and an unknown one is told which there are', async () => {
    const sandbox = await sandboxWith();
    const url = `${sandbox.url}/_sandbox/faults`;
    const { body: targets } = await send(`${url}/targets`);
    expect(targets).toEqual(expect.arrayContaining(['genesys.token', 'aws.events.PutEvents']));
    for (const target of targets as unknown as string[]) {
      expect((await post(url, { target, status: 500 })).status).toBe(200);
    }
    const { body } = await post(url, { target: 'aws.event', status: 500 });
    expect(body['message']).toContain('allowed: *, a name');
    expect(body['message']).toContain('aws.events.PutEvents');
  });

  test('events, traffic, cuts and subscriptions', async () => {
    const sandbox = await sandboxWith();
    await subscribe(sandbox);
    const reader = await readStream(sandbox);
    const at = (path: string) => `${sandbox.url}/_sandbox${path}`;

    await post(at('/events/emit'), { events: [interaction('1')], lines: ['nonsense'] });
    await until(() => reader.lines().length === 2);
    await post(at('/traffic'), { perSecond: 1000 });
    await until(() => reader.lines().length > 2);
    expect((await post(at('/traffic'), { perSecond: -1 })).status).toBe(400);
    await post(at('/traffic'), { perSecond: 0 });
    expect((await send(at('/stream'))).body).toMatchObject({
      subscriptions: [SUBSCRIPTION.id],
      clients: 1,
      perSecond: 0,
    });
    expect((await send(at('/stream/ids?expectation=matching'))).body).toContain('1');
    await post(at('/stream/cut'));
    await until(() => reader.ended() === 'broken');
    await send(at(`/subscriptions/${SUBSCRIPTION.id}`), { method: 'DELETE' });
    expect(sandbox.stream.subscriptions()).toEqual([]);
  });

  test('tokens, permissions, limits and queues', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    const at = (path: string) => `${sandbox.url}/_sandbox${path}`;

    await post(at('/permissions'), { deny: ['groups:read'] });
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(403);
    await post(at('/permissions'), { allow: ['groups:read'] });
    await post(at('/rate-limit'), { perMinute: 1 });
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(200);
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(429);
    await post(at('/tokens/revoke'));
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(401);
    expect((await post(at('/queues/more'))).status).toBe(204);
    expect((await send(at('/queues/more'), { method: 'DELETE' })).status).toBe(204);
  });

  test('buses and access keys of AWS', async () => {
    const sandbox = await sandboxWith();
    const client = new EventBridgeClient({
      region: 'us-east-1',
      endpoint: sandbox.url,
      credentials: { accessKeyId: 'OLD', secretAccessKey: 's' },
      maxAttempts: 1,
    });
    onTestFinished(() => client.destroy());
    const arn = 'arn:aws:events:us-east-1:123456789012:event-bus/theirs';
    const accepted = async (EventBusName: string) => {
      const entry = { EventBusName, Source: 's', DetailType: 't', Detail: '{}' };
      const { Entries = [] } = await client.send(new PutEventsCommand({ Entries: [entry] }));
      return Entries[0]?.ErrorCode ?? sandbox.cloud.busEventCount();
    };
    const at = (path: string) => `${sandbox.url}/_sandbox${path}`;
    const bus = at(`/buses/${encodeURIComponent(arn)}`);

    expect(await accepted(arn)).toBe('AccessDeniedException');
    expect((await post(bus)).status).toBe(204);
    expect(await accepted(arn)).toBe(1);
    expect((await send(bus, { method: 'DELETE' })).status).toBe(204);
    expect(await accepted(arn)).toBe('AccessDeniedException');

    expect((await send(at('/access-keys/OTHER'), { method: 'DELETE' })).status).toBe(204);
    expect(await accepted('default')).toBe(2);
    await send(at('/access-keys/OLD'), { method: 'DELETE' });
    await expect(accepted('default')).rejects.toMatchObject({
      name: 'UnrecognizedClientException',
    });
  });

  test('reset forgets what came in and every fault', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    await caller.post(BATCH, { entities: [{ id: 'T1' }], partialUpdate: true });
    sandbox.faults.add({ target: 'aws', status: 500 });

    await post(`${sandbox.url}/_sandbox/reset`);

    expect(sandbox.records.stored.size).toBe(0);
    expect(sandbox.requests.last()).toEqual([]);
    expect(sandbox.faults.list()).toEqual([]);
    expect((await caller.get('/api/v2/groups/acme')).status).toBe(200);
  });
});
