import { onTestFinished } from 'vitest';
import { createLogger } from '../../../../src/lib/logger.ts';
import { createReleasers } from '../../../../src/lib/releasers.ts';
import { loadConfig } from '../../../../src/settings/load-config.ts';
import { openSimulation, type SimulationOverrides } from '../../../../src/wiring/events.ts';
import { createShared } from '../../../../src/wiring/shared.ts';
import { startTestServer } from '../../../http/support/test-server.ts';
import { copyConfiguration } from '../../../support/files.ts';

export interface SimulateServerOptions {
  readonly overrides?: SimulationOverrides;
  readonly overridesAllowed?: boolean;
  /** `missing`: a registry that never answered. */
  readonly schema?: 'file' | 'missing';
  readonly maxBytes?: number;
  readonly bodyBytes?: number;
  readonly jsonDepth?: number;
  readonly bodyTimeoutMs?: number;
}

/** The real route over the real pipeline, wired as in the app, on a free port. */
export async function startSimulateServer(options: SimulateServerOptions = {}) {
  const files = await copyConfiguration();
  const releasers = createReleasers();
  const shared = createShared(
    {
      ...loadConfig({
        AUTH_MODE: 'none',
        GENESYS_CLIENT_ID: 'nobody',
        GENESYS_CLIENT_SECRET: 'asks',
        WORKER_ENABLED: 'false',
        EVENT_FILTER_FILE: files.filterFile,
        EVENT_EXPRESSION_FILE: files.expressionFile,
        EVENT_SCHEMA_FILE: files.schemaFile,
        ...(options.schema === 'missing' && {
          EVENT_SCHEMA_REGISTRY: 'missing',
          EVENT_SCHEMA_NAME: 'missing',
          AWS_ENDPOINT_URL_SCHEMAS: 'http://127.0.0.1:1',
        }),
        SIMULATE_OVERRIDES: String(options.overridesAllowed ?? true),
        SIMULATE_TIMEOUT_MS: '5000',
        SIMULATE_MEMORY_BYTES: String(64 * 1_048_576),
        HTTP_LINE_LIMIT_BYTES: '100000',
      }),
      // The size of a whole call: one byte more than its largest entry may have.
      EVENTBUS_MAX_BATCH_BYTES: (options.maxBytes ?? 262_144) + 1,
    },
    { log: createLogger({ level: 'silent' }), releasers },
  );
  const { pipeline, simulator, route } = await openSimulation(shared, undefined, options.overrides);
  const server = await startTestServer([route], {
    limits: {
      bodyBytes: options.bodyBytes ?? 1_000_000,
      heldBodyBytes: 20_000_000,
      jsonValues: 100_000,
      jsonDepth: options.jsonDepth ?? 2000,
      bodyTimeoutMs: options.bodyTimeoutMs ?? 20_000,
    },
  });
  onTestFinished(async () => {
    await simulator.stop();
    await server[Symbol.asyncDispose]();
    await releasers.release();
  });

  const send = async (body: unknown, signal?: AbortSignal) =>
    fetch(`${server.url}/simulate`, {
      method: 'POST',
      ...(signal === undefined ? {} : { signal }),
      ...(body === undefined
        ? {}
        : {
            headers: { 'content-type': 'application/json' },
            body: typeof body === 'string' ? body : JSON.stringify(body),
          }),
    });
  return {
    ...files,
    url: `${server.url}/simulate`,
    server,
    simulator,
    registry: shared.registry,
    pipeline,
    send,
    simulate: async (body?: unknown) => {
      const answer = await send(body);
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
  };
}

export function rawEvent(changes: Readonly<Record<string, unknown>> = {}) {
  return {
    id: '8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a',
    resourceType: 'interaction',
    eventType: 'created',
    createdTime: '2026-03-01T12:00:00.123Z',
    payload: { type: 'voice', priority: 'high', routing: { queue: { name: 'Priority' } } },
    ...changes,
  };
}
