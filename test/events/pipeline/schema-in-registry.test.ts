import { afterEach, describe, expect, test, vi } from 'vitest';
import { startRegistrySchema } from '../../../src/events/pipeline/schema-in-registry.ts';
import type { EventSchemaSource } from '../../../src/events/pipeline/schema-source.ts';
import type { RegisteredSchema, SchemaRegistry } from '../../../src/events/ports.ts';
import { createCache } from '../../../src/lib/cache.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';

const running: EventSchemaSource[] = [];
afterEach(async () => {
  await Promise.all(running.splice(0).map(async (source) => source.stop()));
});

function schemaOf(version: string, required: string): RegisteredSchema {
  return { type: 'JSONSchemaDraft4', version, content: JSON.stringify({ required: [required] }) };
}

/** A registry that answers what it is told, and a source that follows it. */
function follow(first: RegisteredSchema | Error, options: { refreshMs?: number } = {}) {
  const state = { answer: first, calls: 0 };
  const registry: SchemaRegistry = {
    async describe() {
      state.calls += 1;
      if (state.answer instanceof Error) throw state.answer;
      return state.answer;
    },
  };
  const health = createHealth();
  const cache = createCache({ ttlMs: 60_000, maxEntries: 10 });
  const source = startRegistrySchema({
    registry,
    registryName: 'my-registry',
    schemaName: 'genesys.cloud@InteractionEvent',
    mode: 'enforce',
    cache,
    refreshMs: options.refreshMs ?? 3_600_000,
    log: createLogger({ level: 'silent' }),
    reporter: health.dependency('schema'),
    retry: { baseMs: 1, capMs: 2 },
  });
  running.push(source);
  return { state, source, health, cache };
}

describe('a schema of the registry', () => {
  test('is loaded at start and kept in the shared cache', async () => {
    const { source, health, cache, state } = follow(schemaOf('3', 'type'));
    await vi.waitFor(() => expect(source.current?.version).toBe('3'));
    expect(source.current?.issues({ detail: {} })).toHaveLength(1);
    expect(health.snapshot()[0]).toMatchObject({ state: 'up', note: 'registry, version 3' });
    const key = 'event-schema:my-registry/genesys.cloud@InteractionEvent/latest';
    expect(await cache.get(key, async () => 'not cached')).toMatchObject({ version: '3' });
    expect(state.calls).toBe(1);
  });

  test('that cannot be had at start arrives later by itself', async () => {
    const { source, health, state } = follow(new Error('registry away'));
    await vi.waitFor(() => expect(state.calls).toBeGreaterThan(2));
    expect(source.current).toBeUndefined();
    expect(health.snapshot()[0]).toMatchObject({
      state: 'down',
      lastError: { message: 'registry away' },
    });
    state.answer = schemaOf('1', 'type');
    await vi.waitFor(() => expect(source.current?.version).toBe('1'));
    expect(health.ready).toBe(true);
    expect(source.lastError).toBeUndefined();
  });

  test('is refreshed in time', async () => {
    const { source, state } = follow(schemaOf('1', 'type'), { refreshMs: 20 });
    await vi.waitFor(() => expect(source.current?.version).toBe('1'));
    state.answer = schemaOf('2', 'priority');
    await vi.waitFor(() => expect(source.current?.version).toBe('2'));
    expect(source.current?.issues({ detail: { type: 'voice' } })).toHaveLength(1);
  });

  test('is compiled again only when it changed', async () => {
    const { source, state } = follow(schemaOf('1', 'type'), { refreshMs: 5 });
    await vi.waitFor(() => expect(source.current).toBeDefined());
    const first = source.current;
    const { calls } = state;
    await vi.waitFor(() => expect(state.calls).toBeGreaterThan(calls + 3));
    expect(source.current).toBe(first);
  });

  test.each([
    ['the registry is away', new Error('away')],
    ['the new version is no schema', { ...schemaOf('2', 'x'), content: '{"type": 7}' }],
  ])('stays in use while %s', async (_, answer) => {
    const { source, state, health } = follow(schemaOf('1', 'type'));
    await vi.waitFor(() => expect(source.current?.version).toBe('1'));
    state.answer = answer;
    await source.reload();
    expect(source.lastError).toBeDefined();
    expect(source.current?.version).toBe('1');
    expect(health.snapshot()[0]).toMatchObject({
      state: 'up',
      note: 'registry, version 1; not refreshed',
    });
    state.answer = schemaOf('2', 'type');
    await source.reload();
    expect(source.current?.version).toBe('2');
    expect(source.lastError).toBeUndefined();
  });

  test('many reloads at once are one call', async () => {
    const { source, state } = follow(schemaOf('1', 'type'));
    await vi.waitFor(() => expect(source.current).toBeDefined());
    await Promise.all(Array.from({ length: 20 }, async () => source.reload()));
    expect(state.calls).toBe(2);
  });

  test('stops while the registry does not answer', async () => {
    const asked = Promise.withResolvers<AbortSignal | undefined>();
    const source = startRegistrySchema({
      registry: {
        async describe(_, signal) {
          asked.resolve(signal);
          return Promise.withResolvers<never>().promise;
        },
      },
      registryName: 'r',
      schemaName: 's',
      schemaVersion: '7',
      mode: 'enforce',
      cache: createCache({ ttlMs: 60_000, maxEntries: 10 }),
      refreshMs: 60_000,
      log: createLogger({ level: 'silent' }),
      reporter: createHealth().dependency('schema'),
    });
    const signal = await asked.promise;
    await source.stop();
    expect(signal?.aborted).toBe(true);
  });
});
