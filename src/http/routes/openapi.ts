import type { About } from '../about.ts';
import type { Scheme } from '../exchange.ts';
import type { JsonSchema, Route } from '../route.ts';

type Json = Record<string, unknown>;

/**
 * An OpenAPI 3.1 document, to be written as JSON, which leaves out what is undefined; its schemas
 * are the very objects that validate requests.
 */
export type OpenApiDocument = Readonly<Json>;

const SECURITY_SCHEMES = {
  apiKey: {
    type: 'apiKey',
    in: 'header',
    name: 'x-api-key',
    description: 'Also as `Authorization: ApiKey …` or `Authorization: Bearer …`.',
  },
  jwt: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
} as const;

const PROBLEM: JsonSchema = {
  type: 'object',
  description: 'RFC 9457 problem details; some codes have further members.',
  required: ['type', 'title', 'status', 'code', 'detail', 'instance', 'requestId'],
  properties: {
    type: { type: 'string', format: 'uri' },
    title: { type: 'string' },
    status: { type: 'integer', minimum: 400, maximum: 599 },
    code: { type: 'string', pattern: '^[a-z0-9_]+$', description: 'Stable, for programs' },
    detail: { type: 'string', description: 'For people: what is wrong and what is allowed' },
    instance: { type: 'string', description: 'The path of the request' },
    requestId: { type: 'string', description: 'As in the log and in x-request-id' },
    errors: {
      type: 'array',
      items: {
        type: 'object',
        required: ['where', 'message'],
        properties: {
          where: { type: 'string', description: 'JSON Pointer into the body, or a parameter' },
          message: { type: 'string' },
        },
      },
    },
  },
};

/** What the door itself may answer before, or instead of, a use case. */
const REFUSALS: Readonly<Record<number, string>> = {
  400: 'The request is malformed: query, body or syntax',
  401: 'Credentials are missing or not valid',
  403: 'The caller lacks the role of this route, or a page of another site sent the request',
  408: 'The body took too long to arrive',
  413: 'The JSON body is too large, or has too many values or items; where NDJSON is taken it has no such bound',
  415: 'Content-Type, charset or Content-Encoding is not accepted',
  421: 'The name in Host is none of this service',
  429: 'Too many requests, or too many failed attempts; see Retry-After',
  500: 'Unexpected; the log has the cause under this request id',
  503: 'Too much to do at the moment, or stopping; see Retry-After',
};

export function createOpenApiDocument(options: {
  readonly about: About;
  readonly routes: readonly Route[];
  /** What callers may authenticate with; none: nobody is asked. */
  readonly schemes: readonly Scheme[];
}): OpenApiDocument {
  const { about, schemes } = options;
  const routes = options.routes.filter(({ undocumented }) => undocumented !== true);
  const paths = new Map<string, Json>();
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}');
    paths.set(path, { ...paths.get(path), [route.method]: operation(route, schemes) });
  }
  return {
    openapi: '3.1.0',
    info: { title: 'Interaction Bridge', version: about.version, license: { name: 'MIT' } },
    servers: [{ url: '/' }],
    tags: [...new Set(routes.map(({ tag }) => tag))].map((name) => ({ name })),
    paths: Object.fromEntries(paths),
    components: {
      schemas: { Problem: PROBLEM },
      responses: Object.fromEntries(
        Object.entries(REFUSALS).map(([status, description]) => [
          `Refused${status}`,
          { description, content: problemContent() },
        ]),
      ),
      securitySchemes: Object.fromEntries(
        schemes.map((scheme) => [scheme, SECURITY_SCHEMES[scheme]]),
      ),
    },
  };
}

function operation(route: Route, schemes: readonly Scheme[]): Json {
  const isOpen = route.role === 'public' || schemes.length === 0;
  return {
    operationId: route.operationId,
    summary: route.summary,
    description: route.description,
    tags: [route.tag],
    security: isOpen
      ? []
      : [route.role, ...(route.otherRoles ?? [])].flatMap((role) =>
          schemes.map((scheme) => ({ [scheme]: [role] })),
        ),
    parameters: [...pathParameters(route.path), ...queryParameters(route.query)],
    requestBody: requestBody(route),
    responses: responses(route, isOpen),
  };
}

function pathParameters(path: string): Json[] {
  return [...path.matchAll(/:(\w+)/g)].map(([, name]) => ({
    name,
    in: 'path',
    required: true,
    schema: { type: 'string' },
  }));
}

function queryParameters(query: JsonSchema | undefined): Json[] {
  const properties = (query?.['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
  const required = (query?.['required'] ?? []) as readonly string[];
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: 'query',
    required: required.includes(name),
    description: schema['description'] ?? '',
    schema,
  }));
}

function requestBody(route: Route): Json | undefined {
  const content: Json = {};
  if (route.body !== undefined) {
    content['application/json'] = { schema: route.body, example: route.example };
  }
  for (const mediaType of route.streams ?? []) content[mediaType] = { schema: { type: 'string' } };
  if (Object.keys(content).length === 0) return undefined;
  return { required: route.bodyOptional !== true, content };
}

function responses(route: Route, isOpen: boolean): Json {
  const all: Json = {};
  for (const status of refusalsOf(route, isOpen)) {
    all[status] = { $ref: `#/components/responses/Refused${status}` };
  }
  for (const [status, response] of Object.entries(route.responses)) {
    const content: Json = {};
    if (response.schema !== undefined) {
      content['application/json'] = { schema: response.schema, example: response.example };
    }
    for (const mediaType of response.mediaTypes ?? []) {
      content[mediaType] ??= { schema: { type: 'string' } };
    }
    // Any failure may also be one of the door's own problems.
    if (Number(status) >= 400) Object.assign(content, problemContent(response.problem));
    const headers = Object.entries(response.headers ?? {}).map(([name, description]) => [
      name,
      { description, schema: { type: 'string' } },
    ]);
    all[status] = {
      description: response.description,
      headers: Object.fromEntries(headers) as Json,
      content,
    };
  }
  return all;
}

function refusalsOf(route: Route, isOpen: boolean): number[] {
  const statuses = [400, 421, 500];
  if (!isOpen) statuses.push(401);
  if (!isOpen || route.method !== 'get') statuses.push(403);
  if (route.body !== undefined || route.streams !== undefined) statuses.push(408, 413, 415);
  if (route.probe !== true) statuses.push(429, 503);
  return statuses;
}

function problemContent(further?: JsonSchema): Json {
  const problem = { $ref: '#/components/schemas/Problem' };
  const schema = further === undefined ? problem : { allOf: [problem, further] };
  return { 'application/problem+json': { schema } };
}
