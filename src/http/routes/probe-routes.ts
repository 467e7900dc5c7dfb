import type { DependencyHealth, Health } from '../../lib/health/health.ts';
import type { Route } from '../route.ts';
import { closedObject } from './schema-shapes.ts';

export interface ProbeOptions {
  readonly health: Health;
  /** What this process does. */
  readonly roles: ReadonlySet<string>;
  readonly isDraining: () => boolean;
  readonly loopDelayMs: () => number;
}

/** What an orchestrator asks. */
export function probeRoutes(options: ProbeOptions): Route[] {
  return [livez(options), readyz(options)];
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
        schema: closedObject({
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

const roleName = { enum: ['api', 'reader', 'publisher'] };

const readiness = {
  ...closedObject({
    status: { enum: ['ready', 'not_ready', 'draining'] },
    roles: { type: 'array', items: roleName, description: 'What this process does (`ROLES`)' },
    dependencies: {
      type: 'array',
      items: {
        type: 'object',
        required: ['name', 'state', 'required', 'since'],
        additionalProperties: false,
        properties: {
          name: { type: 'string' },
          state: { enum: ['starting', 'up', 'down'] },
          required: { type: 'boolean', description: 'What was asked for is not ready without it' },
          role: { ...roleName, description: 'The only role that needs it; none: all of them do' },
          since: { type: 'string', format: 'date-time' },
          note: { type: 'string', description: 'Only when authentication is off' },
          lastError: {
            type: 'object',
            description: 'The last failure, kept after recovery; only when authentication is off',
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

function readyz({ health, roles: ours, isDraining }: ProbeOptions): Route<{ role?: string }> {
  return {
    method: 'get',
    path: '/readyz',
    role: 'public',
    operationId: 'readyz',
    summary: 'Can the service do its work?',
    description:
      'Every dependency by name, with its state. With `role` only what that role of this process needs has to be up: `role=api` is for whoever sends callers here, since `/map` and `/report` do not need the event stream, EventBridge or SQS; a role that this process has not is never ready. Without it everything has to be. Ready again by itself when the required ones are up. Asks for no credentials; with authentication, notes and failures are in GET /status only, because they name accounts, roles and queues.',
    tag,
    quiet: true,
    probe: true,
    query: {
      type: 'object',
      additionalProperties: false,
      properties: { role: { ...roleName, description: 'Ask for this role alone' } },
    },
    responses: {
      200: { description: 'All required dependencies are up', schema: readiness },
      503: {
        description: 'A required one is not up, or the service is stopping',
        schema: readiness,
      },
    },
    async handle({ roles, query: { role: asked } }) {
      const draining = isDraining();
      const isWell = asked === undefined ? health.ready : ours.has(asked) && health.readyFor(asked);
      const ready = isWell && !draining;
      const dependencies = health.snapshot(asked);
      const notReady = draining ? 'draining' : 'not_ready';
      return {
        status: ready ? 200 : 503,
        headers: noStore,
        body: {
          status: ready ? 'ready' : notReady,
          roles: [...ours],
          dependencies: roles.has('operate') ? dependencies : dependencies.map(forAnybody),
        },
      };
    },
  };
}

/** Notes and failures name accounts, roles, queues and what is in files. */
function forAnybody({ name, state, required, role, since }: DependencyHealth) {
  return { name, state, required, ...(role !== undefined && { role }), since };
}
