import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { BridgeError, ConfigError, UpstreamError } from '../../src/errors.ts';
import { permissionMissing } from '../../src/genesys/failures.ts';
import { Problem } from '../../src/http/problem.ts';
import { echoRoute, startTestServer, type TestServer } from './support/test-server.ts';

let app: TestServer;
let thrown: unknown;

beforeAll(async () => {
  app = await startTestServer([
    echoRoute({
      bodyOptional: true,
      async handle({ response }) {
        if (thrown === 'half an answer') {
          response.status(200).write('{"half":');
          throw new Error('too late');
        }
        throw thrown;
      },
    }),
  ]);
});

afterAll(() => app[Symbol.asyncDispose]());

async function answerFor(error: unknown) {
  thrown = error;
  app.lines.length = 0;
  const answer = await fetch(`${app.url}/echo`, { method: 'POST' });
  const body = (await answer.json()) as Record<string, unknown>;
  await expect.poll(() => app.lines.length).toBeGreaterThan(0);
  return {
    answer,
    body,
    line: app.lines.at(-1) as { level: string; err: Record<string, unknown> },
  };
}

const upstream = (options: Partial<ConstructorParameters<typeof UpstreamError>[1]>) =>
  new UpstreamError('Genesys said no', {
    code: 'genesys_failed',
    kind: 'retry',
    service: 'genesys',
    ...options,
  });

describe('what a use case throws becomes', () => {
  test.each<[string, unknown, number, string, string | null]>([
    ['a problem as it is', new Problem(409, 'busy', 'Somebody else is at it.'), 409, 'busy', null],
    ['502 when Genesys is away', upstream({ status: 500 }), 502, 'genesys_failed', null],
    [
      '502 when it cannot be reached',
      upstream({ code: 'genesys_unreachable' }),
      502,
      'genesys_unreachable',
      null,
    ],
    [
      '503 when it throttles',
      upstream({ status: 429, retryAfterMs: 7001 }),
      503,
      'genesys_failed',
      '8',
    ],
    ['503 when it throttles without a time', upstream({ status: 429 }), 503, 'genesys_failed', '5'],
    [
      '503 when it throttles by another status',
      upstream({ status: 400, throttled: true }),
      503,
      'genesys_failed',
      '5',
    ],
    ['502 when only its code sounds slow', upstream({ code: 'x_timeout' }), 502, 'x_timeout', null],
    [
      '504 when it is too slow',
      upstream({ code: 'genesys_timeout', timedOut: true }),
      504,
      'genesys_timeout',
      null,
    ],
    [
      '502 when it does not know our token',
      upstream({ kind: 'systemic', status: 401 }),
      502,
      'genesys_failed',
      null,
    ],
    [
      '502 when it refuses what we sent',
      upstream({ kind: 'reject', status: 400 }),
      502,
      'genesys_failed',
      null,
    ],
    [
      '403 when a permission is missing',
      upstream({ kind: 'systemic', status: 403, missingPermission: 'customattributes:write' }),
      403,
      'genesys_permission_missing',
      null,
    ],
    [
      '422 for bad input found late',
      new BridgeError('No such mapping', { code: 'bad_mapping', kind: 'reject' }),
      422,
      'bad_mapping',
      null,
    ],
    [
      '503 for what will pass',
      new BridgeError('Full', { code: 'journal_full', kind: 'retry' }),
      503,
      'journal_full',
      '5',
    ],
    [
      '503 for a broken file',
      new ConfigError(['config/x.json: broken']),
      503,
      'invalid_configuration',
      '5',
    ],
    ['500 for a bug', new TypeError('x is not a function'), 500, 'internal_error', null],
    [
      '500 for an error of a library that looks like ours',
      Object.assign(new Error('x'), { status: 404 }),
      500,
      'internal_error',
      null,
    ],
    [
      '500 for text of ours that cannot be escaped',
      new URIError('URI malformed'),
      500,
      'internal_error',
      null,
    ],
    ['500 for anything at all', 'a string', 500, 'internal_error', null],
  ])('%s', async (_name, error, status, code, retryAfter) => {
    const { answer, body } = await answerFor(error);
    expect({ status: answer.status, code: body['code'] }).toEqual({ status, code });
    expect(answer.headers.get('retry-after')).toBe(retryAfter);
    expect(body).toMatchObject({ status, instance: '/echo' });
  });
});

test('a missing permission says where it is granted', async () => {
  const { answer, body } = await answerFor(permissionMissing('customattributes:write'));
  expect(answer.status).toBe(403);
  expect(body['detail']).toMatch(/customattributes:write.*Admin > Integrations > OAuth/);
});

test('a missing permission names itself, and Genesys’ own id of the refusal', async () => {
  const { body } = await answerFor(
    upstream({
      kind: 'systemic',
      status: 403,
      missingPermission: 'customattributes:write',
      correlationId: 'abc-123',
    }),
  );
  expect(body).toMatchObject({
    missingPermission: 'customattributes:write',
    correlationId: 'abc-123',
    upstreamStatus: 403,
  });
});

test('a bug is told to the log with its stack, and to the caller only as an id', async () => {
  const { body, line } = await answerFor(
    new TypeError('cannot read the secret of undefined', { cause: new Error('deeper') }),
  );
  expect(JSON.stringify(body)).not.toMatch(/secret|TypeError|\.ts/);
  expect(line).toMatchObject({
    level: 'error',
    requestId: body['requestId'],
    err: {
      type: 'TypeError',
      message: 'cannot read the secret of undefined',
      cause: 'Error: deeper',
    },
  });
  expect(line.err['stack']).toMatch(/errors\.test\.ts/);
});

test('a failure of a remote is a warning without a stack', async () => {
  const { line } = await answerFor(upstream({ status: 503, correlationId: 'abc' }));
  expect(line).toMatchObject({
    level: 'warn',
    err: { code: 'genesys_failed', status: 503, correlationId: 'abc' },
  });
  expect(line.err).not.toHaveProperty('stack');
});

test('a problem cannot overwrite the standard members', async () => {
  const { body } = await answerFor(
    new Problem(400, 'real', 'The real detail.', {
      members: { status: 200, code: 'fake', more: 1 },
    }),
  );
  expect(body).toMatchObject({ status: 400, code: 'real', more: 1 });
});

test('an answer that fails half way is cut off, so that nobody takes it for whole', async () => {
  thrown = 'half an answer';
  const answer = fetch(`${app.url}/echo`, { method: 'POST' });
  await expect(answer.then(async (begun) => begun.text())).rejects.toThrow();
});
