import { Validator } from '@seriousme/openapi-schema-validator';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Problem } from '../../../src/http/problem.ts';
import type { Route } from '../../../src/http/route.ts';
import { createOpenApiDocument } from '../../../src/http/routes/openapi.ts';
import { callEveryOperation } from '../../support/openapi-contract.ts';
import { echoRoute, startTestServer, type TestServer } from '../support/test-server.ts';

const { body: _none, ...plain } = echoRoute();
const routes: Route[] = [
  echoRoute({ streams: ['application/x-ndjson'] }),
  {
    ...plain,
    method: 'get',
    path: '/things/:id',
    operationId: 'thing',
    role: 'report',
    responses: {
      200: { description: 'It', schema: { type: 'object' }, mediaTypes: ['text/csv'] },
      404: {
        description: 'No such thing',
        problem: { type: 'object', required: ['thing'], properties: { thing: { const: 'none' } } },
      },
    },
    async handle({ params }) {
      if (params['id'] === 'some') return { status: 200, body: params };
      throw new Problem(404, 'no_such_thing', 'There is none.', { members: { thing: 'none' } });
    },
  },
];

let app: TestServer;
let document: Record<string, unknown>;

beforeAll(async () => {
  app = await startTestServer(routes);
  document = (await (await fetch(`${app.url}/openapi.json`)).json()) as typeof document;
});

afterAll(() => app[Symbol.asyncDispose]());

test('the document is valid OpenAPI 3.1', async () => {
  const validator = new Validator();
  expect(await validator.validate(document)).toEqual({ valid: true });
  expect(validator.version).toBe('3.1');
  expect(Object.keys(document['paths'] as object)).toEqual([
    '/echo',
    '/things/{id}',
    '/livez',
    '/readyz',
    '/metrics',
    '/version',
    '/status',
    '/log-level',
    '/openapi.json',
  ]);
});

test('it is valid with security, and tells the role of each operation', async () => {
  const secured = createOpenApiDocument({
    about: { name: 'x', version: '1.0.0' },
    routes,
    schemes: ['apiKey', 'jwt'],
  });
  const written = JSON.parse(JSON.stringify(secured)) as typeof document;
  expect(await new Validator().validate(written)).toEqual({ valid: true });
  expect(secured).toMatchObject({
    paths: { '/echo': { post: { security: [{ apiKey: ['map'] }, { jwt: ['map'] }] } } },
  });
});

test('its schemas are those that validate requests', () => {
  expect(document).toMatchObject({
    paths: {
      '/echo': {
        post: {
          parameters: [
            { name: 'days', in: 'query', schema: { type: 'integer', minimum: 1, maximum: 90 } },
            { name: 'mode' },
            { name: 'dryRun' },
          ],
          requestBody: {
            required: true,
            content: { 'application/json': { schema: routes[0]?.body, example: { name: 'x' } } },
          },
        },
      },
    },
  });
});

test('every operation answers as documented', async () => {
  const calls = [
    ...(await callEveryOperation({ baseUrl: app.url, document })),
    ...(await callEveryOperation({
      baseUrl: app.url,
      document,
      pathParameters: { thing: { id: 'some' } },
    })),
  ];
  expect(calls.filter(({ faults }) => faults.length > 0)).toEqual([]);
  expect(new Set(calls.map(({ operationId }) => operationId)).size).toBe(9);
  expect(calls).toContainEqual({
    operationId: 'echo',
    attempt: 'application/json',
    status: 200,
    faults: [],
  });
  const statuses = calls
    .filter(({ operationId, attempt }) => operationId === 'thing' && attempt === 'plain')
    .map(({ status }) => status);
  expect(statuses).toEqual([404, 200]);
});

test('the check of the contract finds what does not agree with the document', async () => {
  await using liar = await startTestServer([
    echoRoute({ handle: async () => ({ status: 200, body: { query: 'not an object' } }) }),
    echoRoute({
      path: '/teapot',
      operationId: 'teapot',
      handle: async () => ({ status: 418, body: {} }),
    }),
    echoRoute({
      path: '/incomplete',
      operationId: 'incomplete',
      responses: { 409: { description: 'Busy', problem: { required: ['by'] } } },
      async handle() {
        throw new Problem(409, 'busy', 'Somebody else is at it.');
      },
    }),
    echoRoute({
      path: '/html',
      operationId: 'html',
      handle: async () => ({ status: 200, body: '<p>', headers: { 'content-type': 'text/html' } }),
    }),
  ]);
  const published = (await (await fetch(`${liar.url}/openapi.json`)).json()) as typeof document;
  const calls = await callEveryOperation({ baseUrl: liar.url, document: published });
  const faulty = calls.filter(({ faults }) => faults.length > 0);
  expect(faulty.map(({ operationId, attempt }) => `${operationId} ${attempt}`)).toEqual([
    'echo application/json',
    'teapot application/json',
    'incomplete application/json',
    'html application/json',
  ]);
});
