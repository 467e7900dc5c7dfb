import { describe, expect, test, vi } from 'vitest';
import { rawEvent, startSimulateServer } from './support/simulate-server.ts';

describe('trying a configuration', () => {
  test('an expression, a filter and a schema stand in for the configured ones', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({
      event: rawEvent({ resourceType: 'other' }),
      filter: { any: [{ name: 'mine', path: 'resourceType', equals: 'other' }] },
      expression: '{"source": "s", "detail-type": "t", "detail": {"id": $uuidv4()}}',
      schema: { type: 'object', properties: { source: { type: 'string', minLength: 2 } } },
    });
    expect(status).toBe(400);
    expect(body).toMatchObject({
      outcome: 'dead-letter',
      errors: [{ path: '/source', keyword: 'minLength' }],
      trace: [
        { rule: 'mine', version: 'override' },
        { version: 'override', output: { source: 's' } },
        { version: 'override', mode: 'enforce' },
      ],
    });
  });

  test('what is not given stays as configured; every event has its outcome', async () => {
    const { simulate, pipeline } = await startSimulateServer();
    const { status, body } = await simulate({
      events: [rawEvent(), 5, rawEvent({ resourceType: 'user' })],
      expression:
        '{"source": "genesys.cloud", "detail-type": "interaction.event", "id": $uuidv4(), "time": createdTime,' +
        ' "resources": [id], "detail": {"interactionId": id, "type": "x", "priority": "p", "timestamp": createdTime}}',
    });
    expect(status).toBe(200);
    expect(body).toMatchObject({
      results: [
        {
          outcome: 'publish',
          transformedEvent: { detail: { type: 'x' } },
          trace: [
            { version: pipeline.versions.filter },
            { version: 'override' },
            { version: pipeline.versions.schema },
            { stage: 'entry', ok: true },
          ],
        },
        { outcome: 'dead-letter', code: 'event_unreadable' },
        { outcome: 'skip' },
      ],
    });
  });

  test('is refused to those who may not', async () => {
    const { simulate } = await startSimulateServer({ overridesAllowed: false });
    expect(await simulate({ expression: '$' })).toMatchObject({
      status: 403,
      body: { code: 'overrides_not_allowed' },
    });
    expect((await simulate()).status).toBe(200);
  });

  test.each([
    ['no expression', { expression: '{"a": (1 + }' }, 'expression', /line 1, column 12/],
    [
      'a look-ahead in an expression',
      { expression: '$contains(id, /(?=x)/)' },
      'expression',
      /linear time/,
    ],
    [
      'an expression nested without end',
      { expression: '('.repeat(60_000) },
      'expression',
      /nested too deeply/,
    ],
    ['a schema of no type', { schema: { type: 'objekt' } }, 'schema', /schema is invalid/],
    [
      'a schema that is elsewhere',
      { schema: { $ref: 'https://example.com/schema.json' } },
      'schema',
      /reference/,
    ],
    [
      'a schema with a back reference',
      { schema: { type: 'string', pattern: '(a+)+\\1' } },
      'schema',
      /linear time/,
    ],
    ['a schema with a slip', { schema: { tpye: 'string' } }, 'schema', /unknown keyword/],
    ['a filter without rules', { filter: {} }, 'filter', /"all", "any" or both/],
    [
      'a filter with a broken pattern',
      { filter: { all: [{ path: 'a', matches: '(' }] } },
      'filter',
      /\/all\/0/,
    ],
  ])('unusable: %s', async (_, body, part, problem) => {
    const { simulate } = await startSimulateServer();
    const answer = await simulate(body);
    expect(answer).toMatchObject({
      status: 422,
      body: { code: 'invalid_override', part, problems: [expect.stringMatching(problem)] },
    });
  });

  test('a syntax error comes with its position', async () => {
    const { simulate } = await startSimulateServer();
    expect((await simulate({ expression: '{"a": (1 + }' })).body['position']).toBe(12);
  });
});

describe('an expression that would hurt', () => {
  test.each([
    ['loops', '($f := function($x){$f($x + 1)}; $f(0))', ['time']],
    ['recurses', '($f := function($x){1 + $f($x)}; $f(0))', ['depth']],
    ['makes a long sequence', '[1..1000000]', ['sequence']],
    ['allocates without end', '[1..1000].($pad("", 10000000) & $string($))', ['memory', 'time']],
    [
      'doubles a text',
      '($f := function($s){$f($replace($s & $s, "x", "y"))}; $f("xxxxxxxx"))',
      ['memory', 'time'],
    ],
    ['stays inside one function', '{"a": $pad("", 400000000)}', ['time', 'memory', 'size']],
  ])('%s: it is stopped, and said why', async (_, expression, allowed) => {
    const { simulate } = await startSimulateServer({ overrides: { timeoutMs: 2500 } });
    const { status, body } = await simulate({ expression });
    expect({ status, code: body['code'] }).toStrictEqual({
      status: 422,
      code: 'simulation_limit_exceeded',
    });
    expect(allowed).toContain(body['exceeded']);
    // Nobody else noticed.
    expect((await simulate()).status).toBe(200);
  });

  test('a catastrophic pattern is none', async () => {
    const { simulate } = await startSimulateServer();
    const expression =
      '{"source": $contains(payload.text, /^(a+)+$/) ? "a" : "b", "detail-type": "t", "detail": {}}';
    const payload = { priority: 'high', text: `${'a'.repeat(50_000)}!` };
    const { body } = await simulate({ event: rawEvent({ payload }), expression, schema: true });
    expect(body).toMatchObject({ outcome: 'publish', transformedEvent: { source: 'b' } });
  });

  test('an unbound function is an error with its place', async () => {
    const { simulate } = await startSimulateServer();
    const { status, body } = await simulate({ expression: '{"a": $readFile("/etc/passwd")}' });
    expect(status).toBe(400);
    expect(body).toMatchObject({ code: 'transform_failed', errors: [{ keyword: 'T1006' }] });
  });

  test('a caller that leaves takes the process along', async () => {
    const { send, simulate } = await startSimulateServer({ overrides: { concurrency: 1 } });
    const abort = new AbortController();
    const expression = '{"a": [1..900].$pad("", 10000000)}';
    const pending = send({ expression }, abort.signal).catch(() => 'left');
    abort.abort();
    expect(await pending).toBe('left');
    expect((await simulate({ expression: '{"x": 1}' })).status).toBe(400);
  });

  test('too many at once are asked to come again, and a stop ends all', async () => {
    const { send, simulator } = await startSimulateServer({
      overrides: { concurrency: 1, maxWaiting: 1, timeoutMs: 20_000, memoryBytes: 512 * 1_048_576 },
    });
    const expression = '{"a": [1..900].$pad("", 1000000)}';
    const answers = Array.from({ length: 3 }, async () => send({ expression }));
    const first = await Promise.race(answers);
    expect(first.status).toBe(503);
    expect(await first.json()).toMatchObject({ code: 'simulation_busy' });
    await simulator.stop();
    await vi.waitFor(async () => {
      const statuses = (await Promise.all(answers)).map(({ status }) => status);
      expect(statuses).toStrictEqual([503, 503, 503]);
    });
  });
});
