import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { sendRaw } from './support/raw-http.ts';
import { echoRoute, startTestServer, type TestServer } from './support/test-server.ts';

const json = { 'content-type': 'application/json' };
const good = '{"name":"x"}';

let app: TestServer;

beforeAll(async () => {
  app = await startTestServer([
    echoRoute(),
    echoRoute({ path: '/optional', operationId: 'optional', bodyOptional: true }),
    echoRoute({
      path: '/lines',
      operationId: 'lines',
      streams: ['application/x-ndjson'],
      async handle({ request, body }) {
        if (body !== undefined) return { status: 200, body };
        let bytes = 0;
        for await (const chunk of request) bytes += (chunk as Buffer).length;
        return { status: 200, body: { bytes } };
      },
    }),
    {
      method: 'get',
      path: '/things/:id',
      role: 'report',
      operationId: 'thing',
      summary: 'One thing',
      tag: 'Test',
      responses: { 200: { description: 'It' } },
      handle: async ({ params }) => ({ status: 200, body: params }),
    },
  ]);
});

afterAll(() => app[Symbol.asyncDispose]());

type Body = string | Uint8Array<ArrayBuffer> | URLSearchParams;

function post(path: string, body: Body | null, headers: Record<string, string> = json) {
  return fetch(`${app.url}${path}`, { method: 'POST', headers, body });
}

describe('a request that is fine', () => {
  test('reaches the use case with a typed query, defaults and body', async () => {
    const answer = await post('/echo?dryRun=true&days=7', '{"name":"Zoë"}');
    expect(answer.status).toBe(200);
    expect(answer.headers.get('content-type')).toBe('application/json; charset=utf-8');
    expect(await answer.json()).toEqual({
      query: { days: 7, dryRun: true },
      body: { name: 'Zoë' },
    });
  });

  test('gets the defaults of the query', async () => {
    const answer = (await (await post('/echo', good)).json()) as { query: unknown };
    expect(answer.query).toEqual({ days: 30 });
  });

  test.each(['application/json; charset=utf-8', 'Application/JSON; charset="UTF-8"'])(
    'is taken as %s',
    async (type) => {
      expect((await post('/echo', good, { 'content-type': type })).status).toBe(200);
    },
  );

  test('may leave an optional body out', async () => {
    expect((await post('/optional', null, {})).status).toBe(200);
    expect((await post('/optional', '', json)).status).toBe(200);
  });

  test('may start with a byte order mark', async () => {
    expect((await post('/echo', `\uFEFF${good}`)).status).toBe(200);
  });

  test('takes the last of two equal keys, like every JSON parser', async () => {
    const answer = (await (await post('/echo', '{"name":"a","name":"b"}')).json()) as object;
    expect(answer).toMatchObject({ body: { name: 'b' } });
  });

  test('streams a body of any length', async () => {
    const answer = await post('/lines', 'x'.repeat(500_000), {
      'content-type': 'application/x-ndjson',
    });
    expect(await answer.json()).toEqual({ bytes: 500_000 });
  });

  test('has its path parameters decoded', async () => {
    const answer = await fetch(`${app.url}/things/a%2Fb%20c`);
    expect(await answer.json()).toEqual({ id: 'a/b c' });
  });

  test('sends its body only when it is wanted', async () => {
    const head = 'POST /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\nExpect: 100-continue\r\n';
    const wrong = await sendRaw(
      app.port,
      `${head}Content-Type: text/plain\r\nContent-Length: 12\r\n\r\n`,
    );
    expect(wrong).toMatch(/^HTTP\/1.1 415 /);
    const right = await sendRaw(
      app.port,
      `${head}Content-Type: application/json\r\nContent-Length: 12\r\n\r\n${good}`,
    );
    expect(right).toMatch(/^HTTP\/1.1 100 Continue\r\n\r\nHTTP\/1.1 200 OK/);
  });
});

interface ProblemBody {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  instance: string;
  requestId: string;
  errors?: { where: string; message: string }[];
}

async function expectProblem(answer: Response, status: number, code: string): Promise<ProblemBody> {
  const problem = (await answer.json()) as ProblemBody;
  expect({ status: answer.status, code: problem.code }).toEqual({ status, code });
  expect(answer.headers.get('content-type')).toBe('application/problem+json; charset=utf-8');
  expect(problem).toMatchObject({
    status,
    type: `urn:interaction-bridge:problem:${code}`,
    requestId: answer.headers.get('x-request-id'),
  });
  expect(problem.title).toMatch(/^[A-Z]/);
  expect(problem.detail.length).toBeGreaterThan(10);
  return problem;
}

describe('a body that is wrong', () => {
  const deep = (levels: number) => `${'['.repeat(levels)}${']'.repeat(levels)}`;

  test.each<[string, Body | null, Record<string, string>, number, string]>([
    ['none', null, json, 400, 'body_missing'],
    ['empty', '', json, 400, 'body_missing'],
    ['not JSON', '{"name":', json, 400, 'invalid_json'],
    ['two values', '{"name":"x"} {}', json, 400, 'invalid_json'],
    ['NaN', '{"name":NaN}', json, 400, 'invalid_json'],
    ['null', 'null', json, 400, 'invalid_body'],
    ['an array', '[]', json, 400, 'invalid_body'],
    ['of the wrong types', '{"name":1}', json, 400, 'invalid_body'],
    ['with unknown members', '{"name":"x","nmae":"y"}', json, 400, 'invalid_body'],
    ['without Content-Type', new Uint8Array([123, 125]), {}, 415, 'unsupported_media_type'],
    ['form-encoded', new URLSearchParams({ name: 'x' }), {}, 415, 'unsupported_media_type'],
    ['plain text', good, { 'content-type': 'text/plain' }, 415, 'unsupported_media_type'],
    ['like JSON', good, { 'content-type': 'application/jsonx' }, 415, 'unsupported_media_type'],
    [
      'in Latin-1',
      good,
      { 'content-type': 'application/json;charset=latin1' },
      415,
      'unsupported_charset',
    ],
    ['compressed', good, { ...json, 'content-encoding': 'gzip' }, 415, 'unsupported_encoding'],
    ['not UTF-8', new Uint8Array([34, 0xff, 34]), json, 400, 'invalid_utf8'],
    ['a cut UTF-8 character', new Uint8Array([34, 0xc3, 34]), json, 400, 'invalid_utf8'],
    ['too large', `{"name":"${'x'.repeat(10_000)}"}`, json, 413, 'body_too_large'],
    ['of too many values', `{"any":[${'{},'.repeat(2000)}0]}`, json, 413, 'body_too_large'],
    ['of so many and no JSON', ','.repeat(2001), json, 413, 'body_too_large'],
    ['too deep', `{"any":${deep(8)}}`, json, 400, 'json_too_deep'],
    ['far too deep', deep(4999), json, 400, 'json_too_deep'],
    ['unclosed and too deep', '['.repeat(9000), json, 400, 'json_too_deep'],
    ['with __proto__', '{"name":"x","__proto__":{"admin":true}}', json, 400, 'json_forbidden_key'],
    ['with it hidden', '{"any":{"\\u005f_pr\\u006fto__" : 1}}', json, 400, 'json_forbidden_key'],
  ])('%s', async (_name, body, headers, status, code) => {
    await expectProblem(await post('/echo', body, headers), status, code);
  });

  test('of exactly the allowed depth is fine', async () => {
    expect((await post('/echo', `{"name":"x","any":${deep(7)}}`)).status).toBe(200);
  });

  test('says where every fault is', async () => {
    const answer = await post('/echo', '{"name":1,"count":"2","zzz":0}');
    const { errors } = await expectProblem(answer, 400, 'invalid_body');
    expect(errors).toEqual([
      { where: '/', message: 'must NOT have additional properties: zzz' },
      { where: '/name', message: 'must be string' },
      { where: '/count', message: 'must be integer' },
    ]);
  });

  test('says what is allowed instead', async () => {
    const answer = await post('/lines', 'x', { 'content-type': 'text/csv' });
    const { detail } = await expectProblem(answer, 415, 'unsupported_media_type');
    expect(detail).toContain('application/json, application/x-ndjson');
    expect(answer.headers.get('accept')).toBe('application/json, application/x-ndjson');
  });

  test('is not quoted in the answer or the log', async () => {
    await expectProblem(await post('/echo', 'secret-value-42'), 400, 'invalid_json');
    expect(JSON.stringify(app.lines)).not.toContain('secret-value-42');
  });

  test('that is huge is answered while it still comes, in chunks or declared', async () => {
    const endless = new ReadableStream<Uint8Array>({
      pull: (controller) => controller.enqueue(new Uint8Array(4096).fill(32)),
    });
    const head = 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';
    expect(
      await sendRaw(app.port, `${head}Connection: close\r\nContent-Length: 99999999999\r\n\r\n{`),
    ).toMatch(/^HTTP\/1.1 413 /);
    const answer = await fetch(`${app.url}/echo`, {
      method: 'POST',
      headers: json,
      body: endless,
      duplex: 'half',
    });
    await expectProblem(answer, 413, 'body_too_large');
  });

  test('where none belongs is refused', async () => {
    const raw = await sendRaw(
      app.port,
      'GET /things/1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}',
    );
    expect(raw).toMatch(/^HTTP\/1.1 400 /);
    expect(raw).toContain('body_not_expected');
  });
});

describe('a query that is wrong', () => {
  test.each([
    ['?days=x', 'days', 'must be integer: decimal digits'],
    ['?days=0', 'days', 'must be >= 1'],
    ['?days=', 'days', 'must be integer: decimal digits'],
    ['?days=0x10', 'days', 'must be integer: decimal digits'],
    ['?days=1e1', 'days', 'must be integer: decimal digits'],
    ['?days=%2B5', 'days', 'must be integer: decimal digits'],
    ['?days=+5', 'days', 'must be integer: decimal digits'],
    ['?days=5%20', 'days', 'must be integer: decimal digits'],
    ['?days=5.0', 'days', 'must be integer: decimal digits'],
    ['?days=٣', 'days', 'must be integer: decimal digits'],
    ['?dryRun=1', 'dryRun', 'must be boolean: true or false'],
    ['?dryRun=', 'dryRun', 'must be boolean: true or false'],
    ['?days=1&days=2', 'days', 'must be given once'],
    ['?mode=maybe', 'mode', 'must be equal to one of the allowed values: strict, lenient'],
    ['?dryRun=yes', 'dryRun', 'must be boolean: true or false'],
    ['?dayz=1', 'dayz', 'is not a query parameter of this route; allowed: days, mode, dryRun'],
    [
      '?__proto__=1',
      '__proto__',
      'is not a query parameter of this route; allowed: days, mode, dryRun',
    ],
    [
      '?constructor=1',
      'constructor',
      'is not a query parameter of this route; allowed: days, mode, dryRun',
    ],
  ])('%s', async (search, where, message) => {
    const { errors } = await expectProblem(
      await post(`/echo${search}`, good),
      400,
      'invalid_query',
    );
    expect(errors).toEqual([{ where, message }]);
  });

  test('names every fault at once', async () => {
    const answer = await post('/echo?a=1&b=2&days=x', good);
    const { errors } = await expectProblem(answer, 400, 'invalid_query');
    expect(errors?.map(({ where }) => where)).toEqual(['a', 'b', 'days']);
  });

  test('a malformed escape is just text', async () => {
    await expectProblem(await post('/echo?days=%zz', good), 400, 'invalid_query');
  });
});

describe('a path or method that is wrong', () => {
  test('the address alone says what this is and where to look', async () => {
    const answer = await fetch(`${app.url}/`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({ version: '0.0.0', look: { documents: '/docs' } });
    const text = await fetch(`${app.url}/`, { headers: { accept: 'text/plain' } });
    expect(text.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    expect(await text.text()).toMatch(/^Interaction Bridge: .*\n\ndocuments +\/docs\n/);
  });

  test.each([
    '/nothing',
    '/echo/',
    '/ECHO/more',
    '/things',
    '/things/1/2',
    '/..%2f..%2fetc/passwd',
  ])('%s has a 404 or the route itself, never a 500', async (path) => {
    const answer = await fetch(`${app.url}${path}`);
    expect([404, 405]).toContain(answer.status);
    expect(answer.headers.get('content-type')).toMatch(/problem\+json/);
  });

  test('an escape that cannot be decoded', async () => {
    await expectProblem(await fetch(`${app.url}/things/%E0%A4%A`), 400, 'bad_request');
  });

  test.each(['GET', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'PROPFIND'])(
    '%s on POST only',
    async (method) => {
      const raw = await sendRaw(
        app.port,
        `${method} /echo HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
      );
      expect(raw).toMatch(/^HTTP\/1.1 405 /);
      expect(raw).toMatch(/\r\nallow: POST, OPTIONS\r\n/i);
    },
  );

  test('OPTIONS tells the methods', async () => {
    const answer = await fetch(`${app.url}/things/1`, { method: 'OPTIONS' });
    expect([answer.status, answer.headers.get('allow')]).toEqual([204, 'GET, HEAD, OPTIONS']);
  });

  test('HEAD is GET without the body', async () => {
    const answer = await fetch(`${app.url}/things/1`, { method: 'HEAD' });
    expect([answer.status, await answer.text()]).toEqual([200, '']);
  });
});

test('answers carry the headers that browsers ask for, and none that tell what runs here', async () => {
  const { headers } = await post('/echo', good);
  expect(headers.get('x-powered-by')).toBeNull();
  expect(headers.get('etag')).toBeNull();
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('content-security-policy')).toBe("default-src 'none';frame-ancestors 'none'");
});
