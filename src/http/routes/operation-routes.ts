import type { Health } from '../../lib/health/health.ts';
import type { Registry } from '../../lib/metrics.ts';
import type { About } from '../about.ts';
import type { Route } from '../route.ts';
import { closedObject } from './schema-shapes.ts';

export interface LogLevelControl {
  get(): string;
  /** Changes it for every logger of the service. */
  set(level: string): void;
}

export interface OperationRouteOptions {
  readonly health: Health;
  readonly registry: Registry;
  readonly about: About;
  /** The counters and states for `GET /status`, made of plain JSON values. */
  readonly status: () => object;
  readonly logLevel: LogLevelControl;
}

const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'];

/** What a scraper and an operator ask. */
export function operationRoutes(options: OperationRouteOptions): Route[] {
  return [metrics(options), version(options), status(options), logLevel(options)];
}

const tag = 'Operation';
const noStore = { 'cache-control': 'no-store' };

function metrics({ registry }: OperationRouteOptions): Route {
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

function version({ about }: OperationRouteOptions): Route {
  return {
    method: 'get',
    path: '/version',
    role: 'public',
    operationId: 'version',
    summary: 'What is running here?',
    description:
      'Name and version. Runtime and commit only when authentication is off; else `bridge_build_info` of GET /metrics has them.',
    tag,
    quiet: true,
    responses: {
      200: {
        description: 'The build',
        schema: {
          type: 'object',
          required: ['name', 'version'],
          additionalProperties: false,
          properties: {
            name: { type: 'string' },
            version: { type: 'string' },
            node: { type: 'string' },
            commit: { type: 'string', description: 'When known' },
          },
        },
      },
    },
    async handle({ roles }) {
      const { name, version } = about;
      const body = roles.has('operate')
        ? { ...about, node: process.versions.node }
        : { name, version };
      return { status: 200, body };
    },
  };
}

function status({ status, health }: OperationRouteOptions): Route {
  return {
    method: 'get',
    path: '/status',
    role: 'operate',
    operationId: 'status',
    summary: 'Counters and states',
    description:
      'The pipeline (`ingested`, `published`, `failed`, …), the worker, and the dependencies of `/readyz` with notes and last failures, among them each configuration file with its version or what is wrong with its newest edit.',
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

function logLevel({ logLevel }: OperationRouteOptions): Route<object, { readonly level: string }> {
  const levels = { enum: LOG_LEVELS };
  return {
    method: 'post',
    path: '/log-level',
    role: 'operate',
    operationId: 'setLogLevel',
    summary: 'Change the log level until the next start',
    tag,
    body: closedObject({ level: levels }),
    example: { level: 'info' },
    responses: {
      200: { description: 'Changed', schema: closedObject({ level: levels, before: levels }) },
    },
    async handle({ body: { level }, log }) {
      const before = logLevel.get();
      logLevel.set(level);
      // The logger of this very request is a child that still has the old one.
      log.level = level;
      log.info({ logLevel: level, before }, 'Log level changed');
      return { status: 200, body: { level, before } };
    },
  };
}
