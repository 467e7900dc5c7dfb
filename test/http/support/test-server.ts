import type { Route } from '../../../src/http/route.ts';
import {
  createHttpServer,
  type HttpServer,
  type HttpServerOptions,
} from '../../../src/http/server.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';

export interface TestServer extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly probePort: number | undefined;
  readonly server: HttpServer;
  readonly health: ReturnType<typeof createHealth>;
  /** The log as parsed lines. */
  readonly lines: Record<string, unknown>[];
}

type Limits = HttpServerOptions['limits'];

export const ALL_ROLES = new Set(['map', 'report', 'simulate', 'operate'] as const);

/** A server on a free port whose limits are small enough to be met within a test. */
export async function startTestServer(
  routes: readonly Route[],
  options: Partial<Omit<HttpServerOptions, 'limits'>> & { limits?: Partial<Limits> } = {},
): Promise<TestServer> {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const health = createHealth();
  const server = createHttpServer({
    host: '127.0.0.1',
    port: 0,
    trustProxy: 'false',
    // What bare requests say.
    allowedHosts: ['x'],
    authentication: { schemes: [], authenticate: async () => ({ roles: ALL_ROLES }) },
    health,
    roles: new Set(['api', 'reader', 'publisher']),
    log,
    registry: createMetricsRegistry(),
    about: { name: 'interaction-bridge', version: '0.0.0' },
    status: () => ({ pipeline: { ingested: 0 } }),
    logLevel: {
      get: () => log.level,
      set: (level) => {
        log.level = level;
      },
    },
    ...options,
    routes,
    limits: {
      bodyBytes: 10_000,
      heldBodyBytes: 1_000_000,
      lineBytes: 1_048_576,
      jsonDepth: 8,
      jsonValues: 2000,
      inFlight: 100,
      loopDelayMs: 0,
      perMinute: 0,
      headersTimeoutMs: 5000,
      bodyTimeoutMs: 5000,
      ...options.limits,
    },
  });
  const { port, probePort } = await server.start();
  return {
    url: `http://127.0.0.1:${port}`,
    port,
    probePort,
    server,
    health,
    lines,
    [Symbol.asyncDispose]: () => server.stop(0),
  };
}

/** A route that takes a body and a query and gives them back. */
export function echoRoute(route: Partial<Route> = {}): Route {
  return {
    method: 'post',
    path: '/echo',
    role: 'map',
    operationId: 'echo',
    summary: 'Gives back what it got',
    tag: 'Test',
    query: {
      type: 'object',
      properties: {
        days: { type: 'integer', minimum: 1, maximum: 90, default: 30 },
        mode: { type: 'string', enum: ['strict', 'lenient'] },
        dryRun: { type: 'boolean' },
      },
    },
    body: {
      type: 'object',
      required: ['name'],
      properties: { name: { type: 'string' }, count: { type: 'integer' }, any: {} },
      additionalProperties: false,
    },
    example: { name: 'x' },
    responses: {
      200: {
        description: 'What it got',
        schema: {
          type: 'object',
          required: ['query'],
          properties: { query: { type: 'object' }, body: {} },
        },
      },
    },
    handle: async ({ query, body }) => ({ status: 200, body: { query, body } }),
    ...route,
  };
}
