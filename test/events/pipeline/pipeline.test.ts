import { randomUUID } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { describe, expect, test } from 'vitest';
import type { SchemaMode } from '../../../src/events/pipeline/event-schema.ts';
import { compileFilter } from '../../../src/events/pipeline/filter.ts';
import { createPipeline } from '../../../src/events/pipeline/pipeline.ts';
import { compileSchemaDefinition, noSchema } from '../../../src/events/pipeline/schema-source.ts';
import { compileTransform, toUuid } from '../../../src/events/pipeline/transform.ts';

const limits = { timeoutMs: 250, maxDepth: 200, maxSequence: 1000 };
const [filterText, expressionText, schemaText] = await Promise.all([
  readFile('config/event-filter.json', 'utf8'),
  readFile('config/event-transform.jsonata', 'utf8'),
  readFile('config/event-schema.json', 'utf8'),
]);

function pipelineOf(options: { expression?: string; mode?: SchemaMode; schema?: string } = {}) {
  const { mode = 'enforce', schema = schemaText, expression = expressionText } = options;
  return createPipeline({
    filter: { current: compileFilter(JSON.parse(filterText)), version: 'f1' },
    transform: { current: compileTransform(expression, limits), version: 'e1' },
    schema: {
      ...noSchema(),
      mode,
      current:
        schema === 'missing'
          ? undefined
          : compileSchemaDefinition({ kind: 'file', text: schema }, 's1'),
    },
  });
}

function eventOf(changes: Readonly<Record<string, unknown>> = {}) {
  return {
    id: '8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a',
    resourceType: 'interaction',
    eventType: 'created',
    createdTime: '2026-03-01T12:00:00.123Z',
    payload: { type: 'voice', priority: 'high', routing: { queue: { name: 'Priority' } } },
    ...changes,
  };
}

const eventId = '0196f0a0-1111-7222-8333-944444444444';

describe('the configured pipeline', () => {
  test('yields the entry and the transformed event', async () => {
    const processed = await pipelineOf().process(eventOf(), eventId);
    const detail = {
      interactionId: '8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a',
      type: 'voice',
      priority: 'high',
      timestamp: '2026-03-01T12:00:00.123Z',
      metadata: { eventId, eventType: 'created' },
    };
    expect(processed).toStrictEqual({
      ok: true,
      transformed: {
        id: eventId,
        source: 'genesys.cloud',
        'detail-type': 'interaction.event',
        time: '2026-03-01T12:00:00.123Z',
        resources: ['/genesys/interactions/8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a'],
        detail,
      },
      entry: {
        source: 'genesys.cloud',
        detailType: 'interaction.event',
        detail: JSON.stringify(detail),
        time: new Date('2026-03-01T12:00:00.123Z'),
        resources: ['/genesys/interactions/8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a'],
      },
      warnings: [],
    });
  });

  test('an id that is no UUID becomes the same UUID each time', async () => {
    const ids = await Promise.all(
      ['e-1', 'e-1', 'e-2'].map(async (id) => {
        const processed = await pipelineOf().process(eventOf(), id);
        return processed.ok ? processed.transformed['id'] : undefined;
      }),
    );
    expect(ids[0]).toBe(ids[1]);
    expect(ids[0]).not.toBe(ids[2]);
    expect(ids[0]).toBe(toUuid('e-1'));
  });

  test('a valid traceparent goes along, another does not', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    expect(await pipelineOf().process(eventOf({ traceparent }), eventId)).toMatchObject({
      entry: { traceHeader: traceparent },
    });
    const forged = await pipelineOf().process(eventOf({ traceparent: 'x\r\ny' }), eventId);
    expect(forged.ok && forged.entry).not.toHaveProperty('traceHeader');
  });

  test('many events at once do not mix', async () => {
    const pipeline = pipelineOf();
    const ids = Array.from({ length: 200 }, () => randomUUID());
    const processed = await Promise.all(
      ids.map(async (id) => pipeline.process(eventOf({ id: `i-${id}` }), id)),
    );
    expect(
      processed.map((one) => one.ok && [one.transformed['id'], one.transformed['resources']]),
    ).toStrictEqual(ids.map((id) => [id, [`/genesys/interactions/i-${id}`]]));
  });

  test('the time of each stage is reported on request', async () => {
    const stages: unknown[] = [];
    const note = (stage: string, ms: number) => void stages.push([stage, ms]);
    await pipelineOf().process(eventOf(), eventId, note);
    expect(stages).toStrictEqual([
      ['transform', expect.any(Number)],
      ['validate', expect.any(Number)],
    ]);
  });
});

describe('rejected events', () => {
  test('a broken schema is reported with path and keyword', async () => {
    const event = eventOf({ createdTime: 'yesterday', payload: { priority: 'high' } });
    expect(await pipelineOf().process(event, eventId)).toMatchObject({
      ok: false,
      stage: 'validate',
      kind: 'reject',
      code: 'schema_violation',
      issues: [
        { path: '/time', keyword: 'format' },
        { path: '/detail', keyword: 'required', message: "must have required property 'type'" },
        { path: '/detail/timestamp', keyword: 'format' },
      ],
      transformed: { source: 'genesys.cloud' },
    });
  });

  test.each([undefined, null, ''])('a priority that is %j is not made up', async (priority) => {
    const payload = { type: 'chat', priority, routing: { queue: { name: 'Priority' } } };
    const event = JSON.parse(JSON.stringify(eventOf({ payload }))) as ReturnType<typeof eventOf>;
    const pipeline = pipelineOf();
    expect(pipeline.filter(event)).toMatchObject({ matched: true });
    expect(await pipeline.process(event, eventId)).toMatchObject({
      ok: false,
      stage: 'validate',
      code: 'schema_violation',
      issues: [{ path: expect.stringMatching(/^\/detail/) as string }],
    });
  });

  test('the fallback that the expression’s comment shows works', async () => {
    const [fallback = ''] = /"priority": payload\.priority \?.*,$/m.exec(expressionText) ?? [];
    const expression = expressionText.replace('"priority": payload.priority,', fallback);
    const event = eventOf({ payload: { type: 'chat', routing: { queue: { name: 'Priority' } } } });
    expect(await pipelineOf({ expression }).process(event, eventId)).toMatchObject({
      ok: true,
      transformed: { detail: { priority: 'normal' } },
    });
  });

  test('warn mode publishes with warnings, off without', async () => {
    const event = eventOf({ payload: { priority: 'high' } });
    expect(await pipelineOf({ mode: 'warn' }).process(event, eventId)).toMatchObject({
      ok: true,
      warnings: [{ path: '/detail', keyword: 'required' }],
    });
    expect(await pipelineOf({ mode: 'off' }).process(event, eventId)).toMatchObject({
      ok: true,
      warnings: [],
    });
  });

  test('what the bus would refuse is rejected even without a schema', async () => {
    const expression = '{"source": "", "detail-type": type, "detail": [1], "resources": [1]}';
    expect(
      await pipelineOf({ expression, mode: 'off' }).process({ id: 'x' }, eventId),
    ).toMatchObject({
      ok: false,
      stage: 'transform',
      code: 'transform_no_entry',
      issues: ['/source', '/detail-type', '/detail', '/resources', '/time'].map((path) => ({
        path,
      })),
    });
  });

  test.each([
    ['nothing', 'missing', 'transform_no_object'],
    ['a list', '[1, 2]', 'transform_no_object'],
    ['an error of its own', '$error("no good")', 'transform_failed'],
    ['an endless recursion', '($f := function($x){$f($x)}; $f(1))', 'transform_limit_exceeded'],
    ['an endless sequence', '[1..1000000]', 'transform_limit_exceeded'],
  ])('an expression that yields %s', async (_, expression, code) => {
    const processed = await pipelineOf({ expression }).process(eventOf(), eventId);
    expect(processed).toMatchObject({ ok: false, stage: 'transform', kind: 'reject', code });
    expect(processed.ok ? [] : processed.issues).toHaveLength(1);
  });

  test.each([null, [], 42, 'text', undefined])('an event that is %j', async (event) => {
    expect(await pipelineOf().process(event as never, eventId)).toMatchObject({
      ok: false,
      code: 'event_no_object',
    });
  });

  test('a very deep or very large event is rejected or passes, but never throws', async () => {
    const deep = JSON.parse(`${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`) as unknown;
    const payload = { type: deep, priority: 'high' };
    expect(await pipelineOf().process(eventOf({ payload }), eventId)).toMatchObject({ ok: false });
    const large = { type: 'voice', priority: 'high', note: 'x'.repeat(10_000_000), deep };
    expect(await pipelineOf().process(eventOf({ payload: large }), eventId)).toMatchObject({
      ok: true,
    });
    const copy = pipelineOf({ expression: '$', mode: 'off' });
    const whole = { ...eventOf({ source: 's', 'detail-type': 't', detail: deep }) };
    expect(await copy.process(whole, eventId)).toMatchObject({ ok: true });
  });

  test('marks of JSONata inside an event do no harm', async () => {
    for (const mark of ['_jsonata_lambda', '_jsonata_function', 'sequence', '__proto__']) {
      const payload = JSON.parse(`{"type": {"${mark}": true}, "priority": "high"}`) as unknown;
      expect(await pipelineOf().process(eventOf({ payload }), eventId)).toMatchObject({
        ok: false,
        kind: 'reject',
      });
    }
  });
});

describe('a schema that is not there yet', () => {
  test('is nobody’s fault when it must be enforced', async () => {
    const pipeline = pipelineOf({ schema: 'missing' });
    expect(await pipeline.process(eventOf(), eventId)).toMatchObject({
      ok: false,
      stage: 'validate',
      kind: 'systemic',
      code: 'schema_unavailable',
    });
    expect(pipeline.versions).toStrictEqual({ filter: 'f1', expression: 'e1', schema: 'none' });
  });

  test('does not stop events in warn mode', async () => {
    const pipeline = pipelineOf({ schema: 'missing', mode: 'warn' });
    expect(await pipeline.process(eventOf(), eventId)).toMatchObject({ ok: true });
  });
});
