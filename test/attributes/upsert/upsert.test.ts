import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import { expect, onTestFinished, test } from 'vitest';
import { createMapMetrics } from '../../../src/attributes/map-metrics.ts';
import type {
  AttributeUpdate,
  AttributeWriter,
  Fingerprints,
} from '../../../src/attributes/ports.ts';
import { createFingerprintFile } from '../../../src/attributes/upsert/fingerprint-file.ts';
import {
  createUpserter,
  type Settled,
  type UpserterOptions,
} from '../../../src/attributes/upsert/upsert.ts';
import { BridgeError, UpstreamError } from '../../../src/errors.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';

const log = createLogger({ level: 'silent' });

async function fingerprintPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'upsert-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  return join(folder, 'f.db');
}

function update(id: string, value = 0): AttributeUpdate {
  return { id, attributes: new Map([['a', value]]) };
}

const SIZES = {
  maxUpdates: 1000,
  envelopeBytes: '{"entities":[],"partialUpdate":true}'.length,
  bytesOf: ({ id, attributes }: AttributeUpdate) =>
    JSON.stringify({ id, ...Object.fromEntries(attributes) }).length + 1,
};

/** A contact centre in memory that refuses ids with `bad`, and keeps what it holds. */
function memoryWriter(behaviour: { fails?: (batch: number) => boolean } = {}) {
  const stored = new Map<string, unknown>();
  const inFlight = new Set<string>();
  const batches: string[][] = [];
  const overlaps: string[] = [];
  let active = 0;
  let mostActive = 0;
  const writer: AttributeWriter = {
    ...SIZES,
    async upsert(updates, signal) {
      const number = batches.push(updates.map(({ id }) => id));
      for (const { id } of updates) {
        if (inFlight.has(id)) overlaps.push(id);
        inFlight.add(id);
      }
      active += 1;
      mostActive = Math.max(mostActive, active);
      await delay(0);
      active -= 1;
      for (const { id } of updates) inFlight.delete(id);
      signal?.throwIfAborted();
      const refuse = (status: number, kind: 'reject' | 'retry') =>
        new UpstreamError('refused', { service: 'genesys', code: 'genesys_refused', kind, status });
      if (behaviour.fails?.(number) === true) throw refuse(500, 'retry');
      if (updates.some(({ id }) => id.includes('bad'))) throw refuse(400, 'reject');
      for (const { id, attributes } of updates) stored.set(id, attributes.get('a'));
      return {
        outcomes: updates.map(({ id }) => ({ id, written: true })),
        latencyMs: 1,
        throttled: 0,
      };
    },
  };
  return { writer, stored, batches, overlaps, mostActive: () => mostActive };
}

async function upserter(writer: AttributeWriter, options: Partial<UpserterOptions> = {}) {
  const fingerprints = createFingerprintFile({ path: await fingerprintPath(), maxRows: 1000 });
  onTestFinished(() => fingerprints.close());
  return createUpserter({
    writer,
    permissionCheck: { forget: () => undefined },
    fingerprints,
    metrics: createMapMetrics(createMetricsRegistry()),
    log,
    batchSize: 3,
    minBatchSize: 3,
    maxBatchSize: 3,
    maxBatchBytes: 1000,
    maxInFlight: 3,
    targetLatencyMs: 1000,
    ...options,
  });
}

test('whatever comes: each record has one fate, the last of an id wins, no id is twice in flight', async () => {
  const id = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f', 'g', 'bad1', 'bad2');
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.tuple(id, fc.integer({ min: 1, max: 400 })), { maxLength: 60 }),
      fc.boolean(),
      fc.option(fc.integer({ min: 1, max: 6 }), { nil: 0 }),
      async (records, skipUnchanged, failFrom) => {
        const memory = memoryWriter({ fails: (batch) => failFrom > 0 && batch >= failFrom });
        const settled: Settled[] = [];
        const run = (await upserter(memory.writer)).open({
          skipUnchanged,
          dryRun: false,
          signal: new AbortController().signal,
          log,
          onSettled: (fates) => settled.push(...fates),
        });
        for (const [position, [name, bytes]] of records.entries()) {
          if (run.full) await run.room();
          run.add(position, update(name, position), bytes);
        }
        await run.finish();

        expect(settled.map(({ position }) => position).sort((x, y) => x - y)).toEqual([
          ...records.keys(),
        ]);
        expect(memory.overlaps).toEqual([]);
        expect(memory.mostActive()).toBeLessThanOrEqual(3);
        expect(memory.batches.every((batch) => batch.length <= 3)).toBe(true);
        const written = settled.filter(({ fate }) => fate.fate === 'written');
        for (const [name, value] of memory.stored) {
          const ofName = written.filter((one) => one.id === name).map(({ position }) => position);
          expect(value).toBe(Math.max(...ofName));
        }
        if (failFrom > 0) return;
        for (const { id: name, fate } of settled) {
          if (fate.fate === 'failed') expect(name).toMatch(/^bad/);
        }
        for (const name of new Set(records.map(([given]) => given))) {
          const last = records.findLastIndex(([given]) => given === name);
          if (!name.startsWith('bad')) expect(memory.stored.get(name)).toBe(last);
        }
      },
    ),
    { numRuns: 200 },
  );
});

test('records that wait behind a write of their own id are bounded by bytes too', async () => {
  const finish = Promise.withResolvers<void>();
  const memory = memoryWriter();
  const slow: AttributeWriter = {
    ...SIZES,
    async upsert(updates, signal) {
      await finish.promise;
      return memory.writer.upsert(updates, signal);
    },
  };
  const options = { maxBatchBytes: 100 + SIZES.envelopeBytes, maxInFlight: 1 };
  const run = (await upserter(slow, options)).open({
    skipUnchanged: false,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: () => undefined,
  });
  run.add(0, update('a'), 100);
  expect(run.full).toBe(false);
  run.add(1, update('a'), 60);
  expect(run.full).toBe(false);
  run.add(2, update('a'), 100);
  expect(run.full).toBe(true);
  run.add(3, update('a'), 60);
  expect(run.full).toBe(false);
  finish.resolve();
  await run.finish();
  expect(memory.stored.get('a')).toBe(0);
  expect(memory.batches).toEqual([['a'], ['a']]);
});

test('the bound in bytes is one of the whole body', async () => {
  const bodies: string[] = [];
  const writer: AttributeWriter = {
    ...SIZES,
    async upsert(updates) {
      const entities = updates.map(({ id, attributes }) => {
        return { id, ...Object.fromEntries(attributes) };
      });
      bodies.push(JSON.stringify({ entities, partialUpdate: true }));
      return {
        outcomes: updates.map(({ id }) => ({ id, written: true })),
        latencyMs: 1,
        throttled: 0,
      };
    },
  };
  const sizes = { batchSize: 50, minBatchSize: 50, maxBatchSize: 50, maxBatchBytes: 200 };
  const run = (await upserter(writer, sizes)).open({
    skipUnchanged: false,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: () => undefined,
  });
  for (let position = 0; position < 40; position += 1) {
    const one = update(`id${position}`, position);
    run.add(position, one, writer.bytesOf(one));
  }
  await run.finish();
  const lengths = bodies.map((body) => Buffer.byteLength(body));
  expect(Math.max(...lengths)).toBeLessThanOrEqual(200);
  expect(lengths.filter((bytes) => bytes > 170).length).toBeGreaterThan(4);
});

test('when nobody can say what is unchanged, nothing is sent, and each record has a fate', async () => {
  const memory = memoryWriter();
  const broken = new BridgeError('disk', { code: 'fingerprints_unavailable', kind: 'systemic' });
  const run = (settled: Settled[]) => ({
    skipUnchanged: true,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: (fates: readonly Settled[]) => void settled.push(...fates),
  });
  const fingerprints: Fingerprints = {
    open: () => ({
      unchanged: () => Promise.reject(broken),
      announce: () => Promise.reject(broken),
      close: () => undefined,
    }),
    close: () => undefined,
  };
  const settled: Settled[] = [];
  const open = (await upserter(memory.writer, { fingerprints })).open(run(settled));
  for (let position = 0; position < 10; position += 1) {
    if (open.full) await open.room();
    open.add(position, update(`id${position}`), 10);
  }
  await open.finish();
  expect(memory.batches).toEqual([]);
  expect(open.failure).toBe(broken);
  expect(settled).toHaveLength(10);
  for (const { fate } of settled) {
    expect(fate).toMatchObject({ code: 'fingerprints_unavailable', attempted: false });
  }
});

test('a batch is bounded by bytes too', async () => {
  const memory = memoryWriter();
  const run = (await upserter(memory.writer, { maxBatchBytes: 100 + SIZES.envelopeBytes })).open({
    skipUnchanged: false,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: () => undefined,
  });
  for (const [position, bytes] of [60, 60, 40, 100, 10].entries()) {
    run.add(position, update(`id${position}`), bytes);
  }
  await run.finish();
  expect(memory.batches).toEqual([['id0'], ['id1', 'id2'], ['id3'], ['id4']]);
});

test('a batch that fails while others succeed does not end the import', async () => {
  const memory = memoryWriter({ fails: (batch) => batch === 2 });
  const slow: AttributeWriter = {
    ...SIZES,
    async upsert(updates, signal) {
      if (updates.some(({ id }) => id === 'id3')) await delay(20);
      return memory.writer.upsert(updates, signal);
    },
  };
  const settled: Settled[] = [];
  const run = (await upserter(slow)).open({
    skipUnchanged: false,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: (fates) => settled.push(...fates),
  });
  for (let position = 0; position < 12; position += 1)
    run.add(position, update(`id${position}`), 10);
  await run.finish();
  expect(settled.filter(({ fate }) => fate.fate === 'failed')).toHaveLength(3);
  expect(settled.filter(({ fate }) => fate.fate === 'written')).toHaveLength(9);
  expect(run.failure).toBeUndefined();
});

test('a writer that takes one update per call gets one per call, and no id twice at once', async () => {
  const memory = memoryWriter();
  const single: AttributeWriter = {
    maxUpdates: 1,
    envelopeBytes: 0,
    bytesOf: ({ id }) => id.length,
    async upsert(updates, signal) {
      if (updates.length !== 1) throw new RangeError(`${updates.length} updates in one call`);
      return memory.writer.upsert(updates, signal);
    },
  };
  const settled: Settled[] = [];
  const sizes = { batchSize: 500, minBatchSize: 50, maxBatchSize: 1000, maxInFlight: 4 };
  const run = (await upserter(single, sizes)).open({
    skipUnchanged: true,
    dryRun: false,
    signal: new AbortController().signal,
    log,
    onSettled: (fates) => settled.push(...fates),
  });
  for (let position = 0; position < 60; position += 1) {
    if (run.full) await run.room();
    const id = position % 7 === 3 ? `bad${position}` : `id${position % 20}`;
    run.add(position, update(id, position), single.bytesOf(update(id)));
  }
  await run.finish();
  expect(settled.map(({ position }) => position).sort((a, b) => a - b)).toEqual([
    ...Array(60).keys(),
  ]);
  expect(memory.overlaps).toEqual([]);
  expect(memory.mostActive()).toBe(4);
  expect(run.failure).toBeUndefined();
  for (const { id, fate } of settled) {
    if (id.startsWith('bad')) expect(fate).toMatchObject({ fate: 'failed', status: 400 });
    else expect(fate.fate).toMatch(/^(?:written|superseded)$/);
  }
  for (const [id, value] of memory.stored) {
    const positions = settled.filter((one) => one.id === id).map(({ position }) => position);
    expect(value).toBe(Math.max(...positions));
  }
});
