import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { createRecordImporter, type ImportOutput } from '../../src/attributes/import-records.ts';
import { createMapMetrics } from '../../src/attributes/map-metrics.ts';
import type { RecordConverter } from '../../src/attributes/mapping/record-converter.ts';
import type { AttributeWriter } from '../../src/attributes/ports.ts';
import { createFingerprintFile } from '../../src/attributes/upsert/fingerprint-file.ts';
import { createUpserter } from '../../src/attributes/upsert/upsert.ts';
import { createLogger } from '../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../src/lib/metrics.ts';
import { sleep } from '../../src/lib/retry.ts';

type Line = Record<string, Record<string, unknown>>;

/** An id is good, `null` is rejected. */
const converter: RecordConverter = {
  allowedAttributes: [],
  warnings: [],
  skippedAttributes: [],
  unmapped: { all: [], warnings: [] },
  isUnknownOrganisation: false,
  convert: (record) =>
    typeof record === 'string'
      ? { ok: true, update: { id: record, attributes: new Map() }, bytes: 10 }
      : { ok: false, id: undefined, errors: [] },
};

const SIZES = { maxUpdates: 1000, envelopeBytes: 0, bytesOf: () => 10 };

const writeAll: AttributeWriter = {
  ...SIZES,
  upsert: async (updates) => ({
    outcomes: updates.map(({ id }) => ({ id, written: true })),
    latencyMs: 1,
    throttled: 0,
  }),
};

async function open(options: { converter?: RecordConverter; writer?: AttributeWriter } = {}) {
  const folder = await mkdtemp(join(tmpdir(), 'import-'));
  onTestFinished(() => rm(folder, { recursive: true }));
  const fingerprints = createFingerprintFile({ path: join(folder, 'f.db'), maxRows: 10 });
  onTestFinished(() => fingerprints.close());
  const logged: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (l) => void logged.push(l) } });
  const metrics = createMapMetrics(createMetricsRegistry());
  const leaving = new AbortController();
  const importer = createRecordImporter({
    converters: { open: async () => options.converter ?? converter },
    upserter: createUpserter({
      writer: options.writer ?? writeAll,
      permissionCheck: { forget: () => undefined },
      fingerprints,
      metrics,
      log,
      batchSize: 2,
      minBatchSize: 2,
      maxBatchSize: 2,
      maxBatchBytes: 1000,
      maxInFlight: 1,
      targetLatencyMs: 1000,
    }),
    metrics,
    maxLineBytes: 1000,
  });
  const request = { orgId: 'acme', dryRun: false, skipUnchanged: false, log };
  const lines: Line[] = [];
  const output: ImportOutput = {
    write: (some) => void lines.push(...(some as Line[])),
    drained: async () => leaving.signal.throwIfAborted(),
  };
  const opened = await importer.open({ ...request, signal: leaving.signal });
  return {
    leaving,
    lines,
    logged,
    run: (body: AsyncIterable<Uint8Array>) => opened.run(body, output),
  };
}

async function* bodyOf(records: readonly unknown[]): AsyncGenerator<Uint8Array> {
  yield Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''));
}

test('an abort leaves no line without its fate', async () => {
  const { leaving, lines, run } = await open({
    writer: { ...SIZES, upsert: (_updates, signal) => sleep(60_000, signal) as Promise<never> },
  });
  const records = [null, ...Array.from({ length: 20 }, (_, index) => `id${index}`), null];
  const running = run(bodyOf(records));
  setTimeout(() => leaving.abort(new Error('gone')), 20);

  const { summary } = await running;

  const { read, written, rejected, failed, superseded, unchanged } = summary;
  expect(read).toBe(written + rejected + failed + superseded + unchanged);
  expect(lines.filter((line) => line['rejected'] !== undefined)).toHaveLength(rejected);
  expect(lines.filter((line) => line['failed'] !== undefined)).toHaveLength(failed);
  expect(lines).toContainEqual({ rejected: { line: 1, id: null, errors: [] } });
});

test('a body that breaks is a cut-off import', async () => {
  const { run } = await open();
  async function* broken(): AsyncGenerator<Uint8Array> {
    yield Buffer.from('"a"\n');
    throw new Error('ECONNRESET');
  }
  expect(await run(broken())).toMatchObject({
    summary: { success: false, read: 1, written: 1, error: { code: 'import_cut_off' } },
    success: false,
    failure: { code: 'import_cut_off' },
  });
});

test('a bug of ours is reported as one, and its words are in the log only', async () => {
  const { logged, run } = await open({
    converter: {
      ...converter,
      convert() {
        throw new TypeError('secret');
      },
    },
  });
  const { summary } = await run(bodyOf(['a']));
  expect(summary).toMatchObject({ success: false, error: { code: 'internal_error' } });
  expect(JSON.stringify(summary)).not.toContain('secret');
  expect(logged.find((line) => line.includes('"level":"error"'))).toContain('secret');
});
