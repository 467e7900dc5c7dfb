import { BridgeError, coerceError } from '../errors.ts';
import { abortable } from '../lib/cache.ts';
import { createJsonLinesParser, type JsonLine } from '../lib/json-lines.ts';
import type { Logger } from '../lib/logger.ts';
import type { MapMetrics } from './map-metrics.ts';
import type { ReadRecord, RecordReader, SkippedAttribute } from './record-reader.ts';
import type { Settled, Upserter } from './upsert.ts';

export interface ImportRequest {
  readonly orgId: string;
  readonly dryRun: boolean;
  readonly skipUnchanged: boolean;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** Where the lines of the answer go. */
export interface ImportOutput {
  /** Takes lines at once; never throws, also when nobody reads any more. */
  write(lines: readonly object[]): void;
  /** Resolves when the other side has read enough; rejects when the signal aborts. */
  drained(): Promise<void>;
}

export interface ImportCounts {
  /** Lines with a record, good or bad. */
  read: number;
  written: number;
  rejected: number;
  failed: number;
  superseded: number;
  unchanged: number;
}

export interface ImportSummary extends Readonly<ImportCounts> {
  readonly success: boolean;
  /** What the HTTP status would have been, had it not been sent before. */
  readonly status: number;
  readonly elapsedMs: number;
  readonly allowedAttributes: readonly string[];
  readonly skippedAttributes: readonly SkippedAttribute[];
  readonly warnings: readonly string[];
  readonly dryRun: boolean;
  /** Why the import did not go to its end, or the rest was not sent. */
  readonly error?: { readonly code: string; readonly message: string };
}

export interface OpenedImport {
  /**
   * Reads the body to its end, or until the signal aborts, in constant memory. Writes
   * `{"progress"}`, `{"rejected"}`, `{"failed"}`, `{"superseded"}` lines, and the `{"summary"}`
   * last. Never rejects: what goes wrong is in the summary.
   */
  run(body: AsyncIterable<Uint8Array>, output: ImportOutput): Promise<ImportSummary>;
}

export interface RecordImporter {
  /** May we write, and what is allowed? @throws UpstreamError while an HTTP status can be given. */
  open(request: ImportRequest): Promise<OpenedImport>;
}

export interface RecordImporterOptions {
  readonly readers: { open(orgId: string, signal: AbortSignal): Promise<RecordReader> };
  readonly upserter: Upserter;
  readonly metrics: MapMetrics;
  readonly maxLineBytes: number;
  /** How long a record of a slow sender waits for a full batch, in milliseconds. Default 1000. */
  readonly lingerMs?: number;
}

export function createRecordImporter(options: RecordImporterOptions): RecordImporter {
  return {
    async open(request) {
      const reader = await options.readers.open(request.orgId, request.signal);
      return { run: (body, output) => runImport(options, request, reader, body, output) };
    },
  };
}

async function runImport(
  { upserter, metrics, maxLineBytes, lingerMs = 1000 }: RecordImporterOptions,
  request: ImportRequest,
  reader: RecordReader,
  body: AsyncIterable<Uint8Array>,
  output: ImportOutput,
): Promise<ImportSummary> {
  const { signal, dryRun, log } = request;
  const startedMs = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedMs);
  const counts = { read: 0, written: 0, rejected: 0, failed: 0, superseded: 0, unchanged: 0 };
  const run = upserter.open({ ...request, lingerMs, onSettled });

  function onSettled(settled: readonly Settled[]): void {
    const lines: object[] = [];
    let notAttempted = 0;
    let isBatch = false;
    const before = { ...counts };
    for (const { position: line, id, fate } of settled) {
      counts[fate.fate] += 1;
      if (fate.fate === 'superseded') {
        lines.push({ superseded: { line, id, by: fate.by } });
        continue;
      }
      isBatch = true;
      if (fate.fate !== 'failed') continue;
      const { message: error, code, attempted } = fate;
      if (!attempted) notAttempted += 1;
      lines.push({ failed: { line, id, error, code, attempted } });
    }
    if (isBatch) {
      const { read, written, rejected, failed } = counts;
      lines.push({ progress: { read, written, rejected, failed, elapsedMs: elapsedMs() } });
    }
    metrics.records(dryRun ? 'dry_run' : 'written', counts.written - before.written);
    metrics.records('unchanged', counts.unchanged - before.unchanged);
    metrics.records('superseded', counts.superseded - before.superseded);
    metrics.records('failed', counts.failed - before.failed - notAttempted);
    metrics.records('not_attempted', notAttempted);
    output.write(lines);
  }

  async function take(lines: readonly JsonLine[]): Promise<void> {
    const rejections: object[] = [];
    for (const line of lines) {
      counts.read += 1;
      let read = line.ok ? reader.read(line.value) : unreadable(line.reason, maxLineBytes);
      if (read instanceof Promise) read = await read;
      if (!read.ok) {
        counts.rejected += 1;
        rejections.push({
          rejected: { line: line.line, id: read.id ?? null, errors: read.errors },
        });
        continue;
      }
      if (run.full) {
        await run.room();
        signal.throwIfAborted();
      }
      run.add(line.line, read.update, read.bytes);
    }
    if (rejections.length > 0) {
      metrics.records('rejected', rejections.length);
      output.write(rejections);
    }
    await output.drained();
  }

  let broken: Error | undefined;
  try {
    const parser = createJsonLinesParser({ maxLineBytes, maxErrorBytes: 0 });
    const chunks = body[Symbol.asyncIterator]();
    for (;;) {
      const next = await abortable(chunks.next(), signal);
      if (next.done === true) break;
      await take(parser.push(next.value));
    }
    await take(parser.end(true));
  } catch (error) {
    broken = coerceError(error);
  }
  await run.finish();

  const failure = broken ?? run.failure;
  const summary: ImportSummary = {
    success: failure === undefined && counts.rejected === 0 && counts.failed === 0,
    status: statusOf(counts, failure),
    ...counts,
    elapsedMs: elapsedMs(),
    allowedAttributes: reader.allowedAttributes,
    skippedAttributes: reader.skippedAttributes,
    warnings: reader.warnings,
    dryRun,
    ...(failure === undefined ? {} : { error: describe(failure, signal) }),
  };
  output.write([{ summary }]);
  const { allowedAttributes: _all, ...facts } = summary;
  log.info(
    { orgId: request.orgId, ...facts },
    broken === undefined ? 'Import ended' : 'Import was cut off',
  );
  return summary;
}

function unreadable(
  reason: 'not JSON' | 'too long' | 'incomplete',
  maxLineBytes: number,
): ReadRecord {
  const message = {
    'not JSON': 'is not JSON',
    'too long': `is longer than ${maxLineBytes} bytes`,
    incomplete: 'is cut off: the body ended within it',
  }[reason];
  return { ok: false, id: undefined, errors: [{ attribute: 'record', rule: 'json', message }] };
}

function statusOf(counts: ImportCounts, failure: Error | undefined): number {
  const done = counts.written + counts.unchanged;
  if (failure === undefined && counts.rejected === 0 && counts.failed === 0) return 200;
  if (done > 0) return 207;
  return failure === undefined && counts.failed === 0 ? 400 : 502;
}

function describe(failure: Error, signal: AbortSignal): { code: string; message: string } {
  const code =
    failure instanceof BridgeError || (failure === signal.reason && 'code' in failure)
      ? String((failure as Error & { code: unknown }).code)
      : 'import_cut_off';
  return { code, message: failure.message };
}
