import { readFile } from 'node:fs/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createSchemaRegistry } from '../../../src/aws/schema-registry.ts';
import { openPipeline } from '../../../src/events/pipeline/live-pipeline.ts';
import { startRegistrySchema } from '../../../src/events/pipeline/schema-in-registry.ts';
import type { EventSchemaSource } from '../../../src/events/pipeline/schema-source.ts';
import { createCache } from '../../../src/lib/cache.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from '../../aws/aws-sandbox.ts';
import { copyConfiguration, limits } from '../../support/files.ts';
import { rawEvent } from '../simulation/support/simulate-server.ts';

useTestCredentials();

const schema = { registry: 'discovered-schemas', name: 'genesys.cloud@interaction.event' };
const eventId = '0196f0a0-1111-7222-8333-944444444444';
const log = createLogger({ level: 'silent' });

let sandbox: RunningAws;
let client: ReturnType<typeof createSchemaRegistry>;
let source: EventSchemaSource | undefined;
beforeEach(async () => {
  sandbox = await startAws();
  client = createSchemaRegistry(wayTo(sandbox.url));
});
afterEach(async () => {
  await source?.stop();
  client.close();
  await sandbox.close();
});

/** A discovered schema whose detail asks for `field`. */
function contentOf(field: string): string {
  return JSON.stringify({
    openapi: '3.0.0',
    info: { version: '1.0.0', title: 'InteractionEvent' },
    paths: {},
    components: {
      schemas: {
        AWSEvent: {
          type: 'object',
          required: ['detail', 'account', 'region'],
          properties: { detail: { $ref: '#/components/schemas/InteractionEvent' } },
        },
        InteractionEvent: { type: 'object', required: [field] },
      },
    },
  });
}

async function openRegistryPipeline() {
  const files = await copyConfiguration();
  const health = createHealth();
  source = startRegistrySchema({
    registry: client,
    registryName: schema.registry,
    schemaName: schema.name,
    mode: 'enforce',
    cache: createCache({ ttlMs: 60_000, maxEntries: 10 }),
    refreshMs: 60_000,
    log,
    reporter: health.dependency('schema'),
    retry: { baseMs: 1, capMs: 2 },
  });
  const pipeline = await openPipeline({ ...files, limits, schema: source, log });
  return { pipeline, health };
}

test('the registry is down at start, comes, changes and goes: no event is blamed for it', async () => {
  sandbox.aws.putSchema({ ...schema, type: 'OpenApi3', content: contentOf('interactionId') });
  sandbox.faults.add({ target: 'aws.schemas', status: 503 });
  const { pipeline, health } = await openRegistryPipeline();
  await vi.waitFor(() => expect(health.snapshot()[0]?.state).toBe('down'));
  expect(await pipeline.process(rawEvent(), eventId)).toMatchObject({
    kind: 'systemic',
    code: 'schema_unavailable',
  });

  sandbox.faults.clear();
  await vi.waitFor(() => expect(pipeline.versions.schema).toBe('1'), 10_000);
  expect(health.ready).toBe(true);
  expect(await pipeline.process(rawEvent(), eventId)).toMatchObject({ ok: true });

  sandbox.aws.putSchema({ ...schema, type: 'OpenApi3', content: contentOf('language') });
  await pipeline.reload();
  expect(await pipeline.process(rawEvent(), eventId)).toMatchObject({
    kind: 'reject',
    issues: [{ path: '/detail', keyword: 'required' }],
  });

  sandbox.faults.add({ target: 'aws.schemas', status: 503 });
  await pipeline.reload();
  expect(pipeline.versions.schema).toBe('2');
  expect(pipeline.problems).toHaveLength(1);
  expect(health.ready).toBe(true);
  await pipeline.stop();
});

test('a schema file of this repository may lie in the registry', async () => {
  const text = await readFile('config/event-schema.json', 'utf8');
  const content = text.replace(
    'https://json-schema.org/draft/2020-12/schema',
    'http://json-schema.org/draft-04/schema#',
  );
  sandbox.aws.putSchema({ ...schema, type: 'JSONSchemaDraft4', content });
  const { pipeline } = await openRegistryPipeline();
  await vi.waitFor(() => expect(pipeline.versions.schema).toBe('1'));
  expect(await pipeline.process(rawEvent(), eventId)).toMatchObject({ ok: true });
  const bad = rawEvent({ createdTime: 'soon' });
  expect(await pipeline.process(bad, eventId)).toMatchObject({
    kind: 'reject',
    issues: [{ path: '/time' }, { path: '/detail/timestamp' }],
  });
  await pipeline.stop();
});
