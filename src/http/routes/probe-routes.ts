import type { Health } from '../../lib/health/health.ts';
import type { Registry } from '../../lib/metrics.ts';
import type { About } from '../about.ts';
import type { JsonSchema, Route } from '../route.ts';

export interface LogLevelControl {
  get(): string;
  /** Changes it for every logger of the service. */
  set(level: string): void;
}

export interface ProbeOptions {
  readonly health: Health;
  readonly isDraining: () => boolean;
  readonly loopDelayMs: () => number;
  readonly registry: Registry;
  readonly about: About;
  /** The counters and states for `GET /status`, made of plain JSON values. */
  readonly status: () => object;
  readonly logLevel: LogLevelControl;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** What an orchestrator, a scraper and an operator ask. */
export function probeRoutes(options: ProbeOptions): Route[] {
  return [
    livez(options),
    readyz(options),
    metrics(options),
    version(options),
    status(options),
    logLevel(options),
  ];
}

const tag = 'Operation';
const noStore = { 'cache-control': 'no-store' };

function livez({ loopDelayMs }: ProbeOptions): Route {
  return {
    method: 'get',
    path: '/livez',
    role: 'public',
    operationId: 'livez',
    summary: 'Is the process alive?',
    description: 'Any answer means that the event loop turns. Says nothing about dependencies.',
    tag,
    quiet: true,
    probe: true,
    responses: {
      200: {
        description: 'Alive',
        schema: object({
          status: { const: 'alive' },
          uptimeSeconds: { type: 'number' },
          eventLoopDelayMs: { type: 'number' },
        }),
      },
    },
    handle: async () => ({
      status: 200,
      headers: noStore,
      body: {
        status: 'alive',
        uptimeSeconds: Math.round(process.uptime()),
        eventLoopDelayMs: Math.round(loopDelayMs()),
      },
    }),
  };
}

const readiness = {
  ...object({
    status: { enum: ['ready', 'not_ready', 'draining'] },
    dependencies: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'state', 'required', 'since'],
        additionalProperties: false,
        properties: {
          name: { type: 'string' },
          state: { enum: ['starting', 'up', 'down', 'off'] },
          required: { type: 'boolean', description: 'The service is not ready without it' },
          since: { type: 'string', format: 'date-time' },
          note: { type: 'string' },
          lastError: {
            type: 'object',
            description: 'The last failure, kept after recovery',
            required: ['message', 'at'],
            additionalProperties: false,
            properties: {
              message: { type: 'string' },
              code: { type: 'string' },
              at: { type: 'string', format: 'date-time' },
            },
          },
        },
      },
    },
  }),
};

function readyz({ health, isDraining }: ProbeOptions): Route {
  return {
    method: 'get',
    path: '/readyz',
    role: 'public',
    operationId: 'readyz',
    summary: 'Can the service do its work?',
    description: 'Every dependency by name. Ready again by itself when the required ones are up.',
    tag,
    quiet: true,
    probe: true,
    responses: {
      200: { description: 'All required dependencies are up', schema: readiness },
      503: {
        description: 'A required one is not up, or the service is stopping',
        schema: readiness,
      },
    },
    async handle() {
      const draining = isDraining();
      const ready = health.ready && !draining;
      const notReady = draining ? 'draining' : 'not_ready';
      return {
        status: ready ? 200 : 503,
        headers: noStore,
        body: { status: ready ? 'ready' : notReady, dependencies: health.snapshot() },
      };
    },
  };
}

function metrics({ registry }: ProbeOptions): Route {
  return {
    method: 'get',
    path: '/metrics',
    role: 'operate',
    operationId: 'metrics',
    summary: 'Numbers for Prometheus',
    description:
      'A scraper sends its key as `authorization: {type: ApiKey, credentials: …}` when authentication is on.',
    tag,
    quiet: true,
    responses: {
      200: { description: 'Prometheus text format 0.0.4', mediaTypes: ['text/plain'] },
    },
    handle: async () => ({
      status: 200,
      headers: { ...noStore, 'content-type': registry.contentType },
      body: await registry.metrics(),
    }),
  };
}

function version({ about }: ProbeOptions): Route {
  return {
    method: 'get',
    path: '/version',
    role: 'public',
    operationId: 'version',
    summary: 'What is running here?',
    tag,
    quiet: true,
    responses: {
      200: {
        description: 'Name, version, runtime, commit when known',
        schema: {
          ...object({
            name: { type: 'string' },
            version: { type: 'string' },
            node: { type: 'string' },
          }),
          additionalProperties: { type: 'string' },
        },
      },
    },
    handle: async () => ({ status: 200, body: { ...about, node: process.versions.node } }),
  };
}

function status({ status, health }: ProbeOptions): Route {
  return {
    method: 'get',
    path: '/status',
    role: 'operate',
    operationId: 'status',
    summary: 'Counters and states',
    description:
      'The pipeline (`ingested`, `published`, `failed`, …), the worker, and the dependencies as `/readyz` has them, among them each configuration file with its version or what is wrong with its newest edit.',
    tag,
    quiet: true,
    responses: { 200: { description: 'As of now', schema: { type: 'object' } } },
    handle: async () => ({
      status: 200,
      headers: noStore,
      body: { ...status(), dependencies: health.snapshot() },
    }),
  };
}

function logLevel({ logLevel }: ProbeOptions): Route {
  const level = { enum: LOG_LEVELS };
  return {
    method: 'post',
    path: '/log-level',
    role: 'operate',
    operationId: 'setLogLevel',
    summary: 'Change the log level until the next start',
    tag,
    body: object({ level }),
    example: { level: 'info' },
    responses: {
      200: { description: 'Changed', schema: object({ level, before: level }) },
    },
    async handle({ body, log }) {
      const before = logLevel.get();
      const { level } = body as { level: string };
      logLevel.set(level);
      // The logger of this very request is a child that still has the old one.
      log.level = level;
      log.info({ logLevel: level, before }, 'Log level changed');
      return { status: 200, body: { level, before } };
    },
  };
}

function object(properties: Readonly<Record<string, unknown>>): JsonSchema {
  return {
    type: 'object',
    required: Object.keys(properties),
    additionalProperties: false,
    properties,
  };
}
