import { writeFile } from 'node:fs/promises';
import { describe, expect, test, vi } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../../src/events/event-id.ts';
import { rawEvent, startSimulateServer } from './support/simulate-server.ts';

const anyNumber = expect.any(Number) as number;
const uuid = expect.stringMatching(/^[0-9a-f-]{36}$/) as string;
const isoTime = expect.stringMatching(/^\d{4}-.*Z$/) as string;

describe('one event', () => {
  test('without a body is an interaction that would be published', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate();
    expect(status).toBe(200);
    expect(body).toStrictEqual({
      status: 'simulated',
      outcome: 'publish',
      originalEvent: {
        id: uuid,
        resourceType: 'interaction',
        eventType: 'created',
        createdTime: isoTime,
        payload: {
          type: 'voice',
          priority: 'high',
          routing: { queue: { name: 'Priority Support' } },
        },
      },
      transformedEvent: expect.objectContaining({
        source: 'genesys.cloud',
        'detail-type': 'interaction.event',
      }) as unknown,
      latencyMs: anyNumber,
      report: expect.stringMatching(
        /^\[Pipeline Report\] Ingested: 1 \| Published: 1 \| Failed: 0 \| Success Rate: 100\.00% \| Avg Latency: \d+\.\d\dms$/,
      ) as unknown,
      counts: {
        thisRequest: { publish: 1, skip: 0, 'dead-letter': 0, pause: 0 },
        sinceStart: { publish: 1, skip: 0, 'dead-letter': 0, pause: 0 },
      },
      trace: [
        { stage: 'filter', ok: true, ms: anyNumber, version: hex(), rule: 'high-priority' },
        {
          stage: 'transform',
          ok: true,
          ms: anyNumber,
          version: hex(),
          output: body['transformedEvent'],
          issues: [],
        },
        { stage: 'validate', ok: true, ms: anyNumber, version: hex(), mode: 'enforce', issues: [] },
        { stage: 'entry', ok: true, bytes: anyNumber, maxBytes: 262_144, chunks: 1, issues: [] },
      ],
    });
  });

  test('numbers that cannot be held are text of the same digits, and the trace says so', async () => {
    const { url } = await startSimulateServer();
    const event = JSON.stringify(rawEvent()).replace(/\}$/, ',"ref":9007199254740993}');
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: `{"event":${event}}`,
    });
    expect(await answer.json()).toMatchObject({
      originalEvent: { ref: '9007199254740993' },
      trace: [
        { stage: 'read', ok: true, message: expect.stringContaining(': /ref') as string },
        { stage: 'filter' },
        {},
        {},
        {},
      ],
    });
  });

  test('is made from the given fields', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({
      interactionId: 'i-7',
      type: 'chat',
      priority: 'low',
      createdTime: '2026-01-02T03:04:05Z',
      queue: 'priority eu',
    });
    expect(status).toBe(200);
    expect(body['transformedEvent']).toMatchObject({
      id: uuid,
      time: '2026-01-02T03:04:05Z',
      resources: ['/genesys/interactions/i-7'],
      detail: { interactionId: 'i-7', type: 'chat', priority: 'low' },
    });
    expect(body['trace']).toMatchObject([{ rule: 'priority-queue' }, {}, {}, {}]);
  });

  test('that the filter leaves out is simulated, with the reason', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({ priority: 'low', queue: 'Sales' });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'simulated',
      outcome: 'skip',
      transformedEvent: null,
      trace: [{ stage: 'filter', ok: false, reason: expect.stringContaining('"Sales"') as string }],
    });
    expect(body['trace']).toHaveLength(1);
  });

  test('that breaks the schema is answered with path, keyword and message', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({ event: rawEvent({ createdTime: 'soon' }) });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      status: 'validation_failed',
      outcome: 'dead-letter',
      code: 'schema_violation',
      error: expect.stringContaining('/time must match format "date-time"') as string,
      errors: [
        { path: '/time', keyword: 'format' },
        { path: '/detail/timestamp', keyword: 'format' },
      ],
      transformedEvent: { time: 'soon' },
      trace: [{ ok: true }, { ok: true }, { stage: 'validate', ok: false }],
    });
  });

  test('that is too large for the bus says how large', async () => {
    const { simulate } = await startSimulateServer({ maxBytes: 150 });
    const { status, body } = await simulate();
    expect(status).toBe(400);
    expect(body).toMatchObject({
      outcome: 'dead-letter',
      code: 'entry_too_large',
      trace: [{}, {}, {}, { stage: 'entry', ok: false, maxBytes: 150, bytes: anyNumber }],
    });
  });

  test('meets an expression that fails', async () => {
    const { simulate, expressionFile, pipeline } = await startSimulateServer();
    await writeFile(expressionFile, '{"n": payload.type + 1}');
    await pipeline.reload();
    const { status, body } = await simulate();
    expect(status).toBe(400);
    expect(body).toMatchObject({
      outcome: 'dead-letter',
      code: 'transform_failed',
      errors: [{ path: '20', keyword: 'T2001' }],
      trace: [{}, { stage: 'transform', ok: false }],
    });
    expect(body['trace']).toHaveLength(2);
  });

  test('waits for a schema that is not there yet', async () => {
    const { simulate } = await startSimulateServer({ schema: 'missing' });
    expect(await simulate()).toMatchObject({
      status: 503,
      body: { code: 'schema_unavailable', outcome: 'pause' },
    });
  });
});

test('an event has the id under which the worker would publish it, with overrides too', async () => {
  const { simulate } = await startSimulateServer();
  const event = rawEvent();
  const id = eventIdOf(keyOfEvent(event));
  const one = await simulate({ event });
  const many = await simulate({ events: [event], filter: { all: [] } });
  expect(one.body).toMatchObject({ transformedEvent: { id } });
  expect(JSON.stringify(many.body)).toContain(id);
});

describe('events that are none', () => {
  test.each([[null], [[]], [[rawEvent()]], [42], ['text'], [true]])('event: %j', async (event) => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({ event });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      status: 'validation_failed',
      outcome: 'dead-letter',
      code: 'event_unreadable',
      trace: [{ stage: 'read', ok: false }],
    });
  });

  test.each([
    ['[]'],
    ['null'],
    ['{"event": {}, "type": "voice"}'],
    ['{"event": {}, "events": [{}]}'],
    ['{"events": []}'],
    ['{"events": {}}'],
    ['{"type": 7}'],
    ['{"unknown": 1}'],
    ['{"expression": {}}'],
    ['{'],
  ])('a request that cannot be understood: %s', async (body) => {
    const { simulate, simulator } = await startSimulateServer();
    expect((await simulate(body)).status).toBe(400);
    expect(simulator.sinceStart).toMatchObject({ publish: 0, 'dead-letter': 0 });
  });

  test('more events than allowed, with the way out', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate(`{"events": [${'0,'.repeat(1000)}0]}`);
    expect({ status, body }).toMatchObject({
      status: 413,
      body: { code: 'body_too_large', maxItems: 1000 },
    });
    expect(body['detail']).toMatch(/application\/x-ndjson/);
  });

  test('10 MB, as one body', async () => {
    const { simulate } = await startSimulateServer({ bodyBytes: 11_000_000 });
    const payload = { type: 'voice', priority: 'high', note: 'x'.repeat(10_000_000) };
    const { status, body } = await simulate({ event: rawEvent({ payload }) });
    expect(status).toBe(200);
    expect(body).toMatchObject({ outcome: 'publish' });
    const small = await startSimulateServer({ bodyBytes: 1_000_000 });
    expect((await small.simulate({ event: rawEvent({ payload }) })).status).toBe(413);
  });

  test('1000 levels deep', async () => {
    const { simulate } = await startSimulateServer();
    const deep = JSON.parse(`${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`) as unknown;
    expect(await simulate({ event: deep })).toMatchObject({
      status: 200,
      body: { outcome: 'skip' },
    });
    const payload = { type: deep, priority: 'high' };
    expect(await simulate({ event: rawEvent({ payload }) })).toMatchObject({
      status: 400,
      body: { code: 'schema_violation' },
    });
  });
});

describe('several events', () => {
  test('each has its own outcome', async () => {
    const { simulate } = await startSimulateServer();
    const events = [rawEvent(), rawEvent({ resourceType: 'user' }), null, rawEvent({ id: 5 })];
    const { status, body } = await simulate({ events });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      status: 'simulated',
      results: [
        { index: 0, status: 'simulated', outcome: 'publish' },
        { index: 1, status: 'simulated', outcome: 'skip' },
        { index: 2, status: 'validation_failed', outcome: 'dead-letter', originalEvent: null },
        { index: 3, status: 'validation_failed', outcome: 'dead-letter' },
      ],
      report: expect.stringContaining(
        'Ingested: 3 | Published: 1 | Failed: 2 | Success Rate: 33.33% | ',
      ) as unknown,
      counts: { thisRequest: { publish: 1, skip: 1, 'dead-letter': 2, pause: 0 } },
    });
  });

  test('a thousand fit', async () => {
    const { simulate } = await startSimulateServer();
    const { body } = await simulate({ events: Array.from({ length: 1000 }, () => rawEvent()) });
    expect(body['counts']).toMatchObject({ thisRequest: { publish: 1000 } });
  });

  test('stream in and out as lines', async () => {
    const { url } = await startSimulateServer();
    const lines = [
      JSON.stringify(rawEvent()),
      '',
      '{broken',
      JSON.stringify([rawEvent({ resourceType: 'user' }), 7]),
      `{"big": "${'x'.repeat(100_000)}"}`,
    ];
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: lines.join('\n'),
    });
    expect(answer.headers.get('content-type')).toMatch('application/x-ndjson');
    const results = (await answer.text())
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(results).toMatchObject([
      { line: 1, outcome: 'publish' },
      { line: 3, outcome: 'dead-letter', error: 'The line is not JSON', originalEvent: '{broken' },
      { line: 4, outcome: 'skip' },
      { line: 4, outcome: 'dead-letter', code: 'event_unreadable' },
      { line: 5, outcome: 'dead-letter', error: 'The line is too long' },
      {
        status: 'done',
        report: expect.stringContaining('Ingested: 4 | Published: 1 | Failed: 3 | ') as unknown,
        counts: { thisRequest: { publish: 1, skip: 1, 'dead-letter': 3 } },
      },
    ]);
  });

  test('no lines at all are none, and not an interaction made up', async () => {
    const { url } = await startSimulateServer();
    const headers = { 'content-type': 'Application/X-NDJSON; charset=utf-8' };
    const answer = await fetch(url, { method: 'POST', headers });
    expect(await answer.json()).toMatchObject({
      status: 'done',
      counts: { thisRequest: { publish: 0, skip: 0, 'dead-letter': 0, pause: 0 } },
    });
  });

  test('a caller that leaves ends the work', async () => {
    const { url, simulator } = await startSimulateServer();
    const abort = new AbortController();
    // An endless body, one event at a time.
    const body = new ReadableStream<Uint8Array>({
      async pull(controller) {
        await new Promise(setImmediate);
        controller.enqueue(new TextEncoder().encode(`${JSON.stringify(rawEvent())}\n`));
      },
    });
    const answer = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body,
      duplex: 'half',
      signal: abort.signal,
    });
    const reader = answer.body?.getReader();
    const first = (await reader?.read())?.value as Uint8Array | undefined;
    expect(new TextDecoder().decode(first)).toContain('"publish"');
    abort.abort();
    await reader?.closed.catch(() => undefined);
    const counted = () => simulator.sinceStart.publish;
    let before = -1;
    await vi.waitFor(async () => {
      const now = counted();
      const isQuiet = now === before;
      before = now;
      expect(isQuiet).toBe(true);
    });
  });
});

test('simulations have counters of their own', async () => {
  const { simulate, registry } = await startSimulateServer();
  await simulate();
  await simulate({ priority: 'low', queue: 'Sales' });
  const text = await registry.metrics();
  expect(text).toContain('simulations_total{outcome="publish"} 1');
  expect(text).toContain('simulations_total{outcome="skip"} 1');
});

function hex() {
  return expect.stringMatching(/^[0-9a-f]{12}$/) as string;
}
