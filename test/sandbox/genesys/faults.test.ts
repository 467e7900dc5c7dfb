import { describe, expect, test } from 'vitest';
import { createFaults } from '../../../src/sandbox/faults.ts';
import { createRandom } from '../../../src/sandbox/random.ts';
import {
  BATCH,
  basic,
  createCaller,
  interaction,
  readStream,
  requestToken,
  sandboxWith,
  subscribe,
  TEXT,
  until,
} from '../caller.ts';

const GROUP = '/api/v2/groups/acme';

describe('a rule', () => {
  test('answers with its status in the format of the service, so many times', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    sandbox.faults.add({ target: 'genesys.groups', status: 503, times: 2 });

    const answers = [await caller.get(GROUP), await caller.get(GROUP), await caller.get(GROUP)];

    expect(answers.map(({ status }) => status)).toEqual([503, 503, 200]);
    expect(answers[0]?.body).toEqual({
      message: TEXT,
      code: 'service.unavailable',
      status: 503,
      contextId: TEXT,
      details: [],
      errors: [],
    });
    expect(answers[0]?.headers.get('inin-correlation-id')).toBe(answers[0]?.body['contextId']);
  });

  test('for the token endpoint answers in its own format', async () => {
    const sandbox = await sandboxWith();
    sandbox.faults.add({ target: 'genesys.token', status: 400, code: 'invalid_client' });
    const answer = await requestToken(
      sandbox,
      { grant_type: 'client_credentials' },
      basic(sandbox),
    );
    expect(answer).toMatchObject({ status: 400, body: { error: 'invalid_client' } });
  });

  test.each(['3', 'Wed, 21 Oct 2026 07:28:00 GMT', 'in a while'])(
    'sends Retry-After %s as it is',
    async (retryAfter) => {
      const sandbox = await sandboxWith();
      const caller = await createCaller(sandbox);
      sandbox.faults.add({ target: 'genesys', status: 429, retryAfter });
      const answer = await caller.get(GROUP);
      expect(answer.status).toBe(429);
      expect(answer.headers.get('retry-after')).toBe(retryAfter);
    },
  );

  test('can answer with HTML, or with any text, whatever the status', async () => {
    const sandbox = await sandboxWith();
    const { headers } = await createCaller(sandbox);
    const id = sandbox.faults.add({ target: 'genesys.groups.get', status: 200, html: true });
    const html = await fetch(sandbox.url + GROUP, { headers });
    expect(html.status).toBe(200);
    expect(html.headers.get('content-type')).toBe('text/html');
    expect(await html.text()).toContain('<html>');

    sandbox.faults.remove(id);
    sandbox.faults.add({ target: 'genesys.groups.get', body: '{"id":' });
    const body = await fetch(sandbox.url + GROUP, { headers });
    expect(await body.text()).toBe('{"id":');
  });

  test.each([
    ['before', 0],
    ['after', 1],
    ['middle', 1],
  ] as const)(
    'reset %s: the connection breaks, the work was done %i times',
    async (reset, done) => {
      const sandbox = await sandboxWith();
      const caller = await createCaller(sandbox);
      sandbox.faults.add({ target: 'genesys.customattributes.batch', reset, times: 1 });
      const batch = { entities: [{ id: 'T1' }], partialUpdate: true };

      await expect(caller.post(BATCH, batch)).rejects.toThrow();

      expect(sandbox.records.written()).toBe(done);
      expect((await caller.post(BATCH, batch)).status).toBe(200);
      expect(sandbox.requests.count('genesys.customattributes.batch', 'reset')).toBe(1);
    },
  );

  test.each([true, 'middle'] as const)('hang %s: there is no end', async (hang) => {
    const sandbox = await sandboxWith();
    const { headers } = await createCaller(sandbox);
    sandbox.faults.add({ target: 'genesys.groups', hang });
    const stopper = new AbortController();

    const answer = fetch(sandbox.url + GROUP, { headers, signal: stopper.signal }).then((r) =>
      r.text(),
    );
    await until(() => sandbox.requests.count('genesys.groups', 'hang') === 1);
    stopper.abort(new Error('enough'));

    await expect(answer).rejects.toThrow('enough');
  });

  test('delays, and then others may end the call', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    sandbox.faults.add({ target: '*', latencyMs: 30 });
    sandbox.faults.add({ target: 'genesys.groups.get', status: 500 });
    expect((await caller.get(GROUP)).status).toBe(500);
    expect(sandbox.requests.last(1)[0]?.durationMs).toBeGreaterThanOrEqual(29);
  });

  test('refuses entries of a batch, by id or by share', async () => {
    const sandbox = await sandboxWith();
    const caller = await createCaller(sandbox);
    const target = 'genesys.customattributes.batch';
    sandbox.faults.add({ target, entryFailures: { ids: ['T2'], code: '503', message: 'busy' } });
    const entities = Array.from({ length: 100 }, (_, index) => ({ id: `T${index}` }));

    const named = await caller.post(BATCH, { entities, partialUpdate: true });
    expect(named.body['results']).toContainEqual({ id: 'T2', status: 503, error: 'busy' });
    expect(sandbox.records.stored.size).toBe(99);

    sandbox.faults.clear();
    sandbox.faults.add({ target, entryFailures: { rate: 0.5, code: 'odd' } });
    const drawn = await caller.post(BATCH, { entities, partialUpdate: true });
    const failed = (drawn.body['results'] as { status: number }[]).filter((r) => r.status === 400);
    expect(failed.length).toBeGreaterThan(20);
    expect(failed.length).toBeLessThan(80);
  });
});

describe('the rules', () => {
  const faults = () => createFaults({ random: createRandom(1) });

  test('match names and whole parts of the tree, not beginnings of words', () => {
    const rules = faults();
    rules.add({ target: 'aws.events', status: 500 });
    expect(rules.judge('aws.events.PutEvents').ending?.status).toBe(500);
    expect(rules.judge('aws.events').ending?.status).toBe(500);
    expect(rules.judge('aws.eventsv2.PutEvents').ending).toBeUndefined();
    expect(rules.judge('genesys.token').ending).toBeUndefined();
  });

  test('hit a share of the calls, always the same ones for one seed', () => {
    const hits = () => {
      const rules = faults();
      rules.add({ target: '*', status: 500, rate: 0.3 });
      return Array.from({ length: 1000 }, () => rules.judge('x').ending !== undefined);
    };
    const share = hits().filter(Boolean).length;
    expect(share).toBeGreaterThan(250);
    expect(share).toBeLessThan(350);
    expect(hits()).toEqual(hits());
  });

  test('are listed with their hits, and go away by id', () => {
    const rules = faults();
    const id = rules.add({ target: 'a', status: 500, times: 1 });
    rules.add({ id: 'mine', target: 'b', latencyMs: 5 });
    rules.judge('a');
    rules.judge('a');
    expect(rules.list()).toEqual([
      { id, target: 'a', status: 500, times: 1, hits: 1 },
      { id: 'mine', target: 'b', latencyMs: 5, hits: 0 },
    ]);
    expect(rules.remove('mine')).toBe(true);
    expect(rules.remove('mine')).toBe(false);
  });
});

describe('a stream', () => {
  const OPTIONS = { awkwardShare: 0, keepAliveMs: 60_000 };

  test.each(['cut-line', 'cut-character'] as const)('%s: nothing is lost by it', async (kind) => {
    const sandbox = await sandboxWith(OPTIONS);
    await subscribe(sandbox);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind, afterEvents: 1 }, times: 1 });
    const reader = await readStream(sandbox);
    sandbox.emit([interaction('1'), interaction('2'), interaction('3')]);
    await until(() => reader.ended() === 'broken');

    const rest = reader.bytes().subarray(reader.bytes().indexOf(10) + 1);
    expect(rest.length).toBeGreaterThan(0);
    expect(rest.includes(10)).toBe(false);
    expect(rest.toString('utf8').endsWith('\ufffd')).toBe(kind === 'cut-character');
    const next = await readStream(sandbox);
    await until(() => next.lines().length === 2);
    await until(() => sandbox.stream.sent().events === 3);
    expect([...sandbox.stream.sentIds('matching')]).toEqual(['1', '2', '3']);
  });

  test('end: the body is complete as far as HTTP knows', async () => {
    const sandbox = await sandboxWith(OPTIONS);
    await subscribe(sandbox);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'end' }, times: 1 });
    const reader = await readStream(sandbox);
    sandbox.emit([interaction('1')]);
    await until(() => reader.ended() === 'end');
    expect(reader.bytes()).toHaveLength(0);
  });

  test('silence: not one byte, while the events wait', async () => {
    const sandbox = await sandboxWith({ ...OPTIONS, keepAliveMs: 5 });
    await subscribe(sandbox);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'silence' }, times: 1 });
    const silent = await readStream(sandbox);
    await until(() => sandbox.faults.list()[0]?.hits === 1);
    const before = silent.bytes().length;
    sandbox.emit([interaction('1')]);

    const next = await readStream(sandbox);
    await until(() => next.lines().length === 1);
    expect(silent.bytes()).toHaveLength(before);
  });

  test('keep-alive-only: blank lines and nothing else', async () => {
    const sandbox = await sandboxWith({ ...OPTIONS, keepAliveMs: 5 });
    await subscribe(sandbox);
    sandbox.faults.add({ target: 'genesys.stream', stream: { kind: 'keep-alive-only' } });
    const reader = await readStream(sandbox);
    sandbox.emit([interaction('1')]);
    await until(() => reader.bytes().length > 3);
    expect(reader.bytes().toString().trim()).toBe('');
  });

  test('garbage and long lines come before the event', async () => {
    const sandbox = await sandboxWith(OPTIONS);
    await subscribe(sandbox);
    const target = 'genesys.stream';
    sandbox.faults.add({ target, stream: { kind: 'garbage' }, times: 1 });
    sandbox.faults.add({ target, stream: { kind: 'long-line', bytes: 100_000 }, times: 1 });
    const reader = await readStream(sandbox);
    sandbox.emit([interaction('1'), interaction('2')]);
    await until(() => reader.lines().length === 4);
    const [garbage = '', first, long, second] = reader.lines();
    expect(() => JSON.parse(garbage) as unknown).toThrow();
    expect(long).toHaveLength(100_000);
    expect([first, second]).toEqual(
      [interaction('1'), interaction('2')].map((e) => JSON.stringify(e)),
    );
  });

  test('can be refused, reset and left hanging like any other call', async () => {
    const sandbox = await sandboxWith(OPTIONS);
    await subscribe(sandbox);
    sandbox.faults.add({ target: 'genesys.stream', status: 429, retryAfter: '1', times: 1 });
    expect((await readStream(sandbox)).status).toBe(429);
    sandbox.faults.add({ target: 'genesys.stream', reset: 'middle', times: 1 });
    const reader = await readStream(sandbox);
    await until(() => reader.ended() === 'broken');
    expect(reader.bytes().toString()).not.toContain('\n');
    expect(sandbox.stream.clients()).toBe(0);
  });
});
