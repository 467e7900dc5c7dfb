import { onTestFinished } from 'vitest';
import { openPipeline } from '../../../../src/events/pipeline/live-pipeline.ts';
import { openSchemaFile } from '../../../../src/events/pipeline/schema-file.ts';
import { type EventSchemaSource, noSchema } from '../../../../src/events/pipeline/schema-source.ts';
import {
  createSimulator,
  type SimulatorOptions,
} from '../../../../src/events/simulation/simulator.ts';
import { simulateRoute } from '../../../../src/http/routes/simulate/simulate-route.ts';
import { createLogger } from '../../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../../src/lib/metrics.ts';
import { startTestServer } from '../../../http/support/test-server.ts';
import { copyConfiguration, limits } from '../../../support/files.ts';

export interface SimulateServerOptions {
  readonly overrides?: Partial<SimulatorOptions['overrides']>;
  readonly overridesAllowed?: boolean;
  /** `missing`: a registry that never answered. */
  readonly schema?: 'file' | 'missing';
  readonly maxBytes?: number;
  readonly bodyBytes?: number;
  readonly jsonDepth?: number;
}

/** The real route over the real pipeline on a free port. */
export async function startSimulateServer(options: SimulateServerOptions = {}) {
  const files = await copyConfiguration();
  const log = createLogger({ level: 'silent' });
  const missing: EventSchemaSource = { ...noSchema(), mode: 'enforce' };
  const schema =
    options.schema === 'missing'
      ? missing
      : await openSchemaFile({ path: files.schemaFile, mode: 'enforce', log });
  const pipeline = await openPipeline({ ...files, limits, schema, log });
  const registry = createMetricsRegistry();
  const simulator = createSimulator({
    pipeline,
    entryLimits: {
      bytesOf: ({ detail }) => 100 + Buffer.byteLength(detail),
      maxBytes: options.maxBytes ?? 262_144,
    },
    expressionLimits: limits,
    overrides: { timeoutMs: 5000, memoryBytes: 64 * 1_048_576, ...options.overrides },
    registry,
  });
  const route = simulateRoute({
    simulator,
    overridesAllowed: () => options.overridesAllowed ?? true,
    maxLineBytes: 100_000,
  });
  const server = await startTestServer([route], {
    limits: {
      bodyBytes: options.bodyBytes ?? 1_000_000,
      heldBodyBytes: 20_000_000,
      jsonDepth: options.jsonDepth ?? 2000,
      bodyTimeoutMs: 20_000,
    },
  });
  onTestFinished(async () => {
    await simulator.stop();
    await server[Symbol.asyncDispose]();
    await pipeline.stop();
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
    simulator,
    registry,
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
