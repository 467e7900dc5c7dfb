import { BridgeError, coerceError } from '../errors.ts';
import { abortable } from '../lib/abortable.ts';
import {
  type BadLineReason,
  createJsonLinesParser,
  type JsonLine,
  MAX_LINE_DEPTH,
} from '../lib/json-lines.ts';
import type { Logger } from '../lib/logger.ts';
import type { MapMetrics } from './map-metrics.ts';
import type { ReadRecord, RecordConverter, SkippedAttribute } from './mapping/record-converter.ts';
import { isRefusal } from './upsert/batch-writer.ts';
import type { Settled, Upserter } from './upsert/upsert.ts';

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
  readonly readers: { open(orgId: string, signal: AbortSignal): Promise<RecordConverter> };
  readonly upserter: Upserter;
  readonly metrics: MapMetrics;
  readonly maxLineBytes: number;
  /** The HTTP status of an answer when nothing could be written because of this. */
  readonly statusOfFailure: (failure: Error) => number;
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
  { upserter, metrics, maxLineBytes, statusOfFailure, lingerMs = 1000 }: RecordImporterOptions,
  request: ImportRequest,
  reader: RecordConverter,
  body: AsyncIterable<Uint8Array>,
  output: ImportOutput,
): Promise<ImportSummary> {
  const { signal, dryRun, log } = request;
  const startedMs = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedMs);
  const counts = { read: 0, written: 0, rejected: 0, failed: 0, superseded: 0, unchanged: 0 };
  /** All that failed were refused for their content, so repeating will not help. */
  let refused = true;
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
      refused &&= isRefusal(fate);
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
    try {
      for (const line of lines) {
        let read = line.ok ? reader.read(line.value) : unreadable(line.reason, maxLineBytes);
        if (read instanceof Promise) read = await read;
        if (read.ok && run.full) await run.room();
        counts.read += 1;
        if (read.ok) {
          // After an abort this settles it as not attempted: every line that was read has a fate.
          run.add(line.line, read.update, read.bytes);
        } else {
          counts.rejected += 1;
          rejections.push({
            rejected: { line: line.line, id: read.id ?? null, errors: read.errors },
          });
        }
      }
    } finally {
      if (rejections.length > 0) {
        metrics.records('rejected', rejections.length);
        output.write(rejections);
      }
    }
    await output.drained();
  }

  /** By the rules of the JSON answer. */
  function status(failure: Error | undefined): number {
    if (failure === undefined && counts.rejected === 0 && counts.failed === 0) return 200;
    if (counts.written + counts.unchanged > 0) return 207;
    if (failure !== undefined) return statusOfFailure(failure);
    return refused ? 400 : 502;
  }

  let broken: Error | undefined;
  try {
    const parser = createJsonLinesParser({ maxLineBytes, maxErrorBytes: 0 });
    const chunks = body[Symbol.asyncIterator]();
    for (;;) {
      const next = await abortable(chunks.next().catch(cutOff), signal);
      if (next.done === true) break;
      await take(parser.push(next.value));
    }
    await take(parser.end(true));
  } catch (error) {
    broken = coerceError(error);
    if (!isForeseen(broken, signal)) log.error({ err: broken }, 'Import failed');
  }
  await run.finish();

  const failure = broken ?? run.failure;
  const summary: ImportSummary = {
    success: failure === undefined && counts.rejected === 0 && counts.failed === 0,
    status: status(failure),
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

function unreadable(reason: BadLineReason, maxLineBytes: number): ReadRecord {
  const message = {
    'not JSON': 'is not JSON',
    'not UTF-8': 'is not UTF-8',
    'too deep': `nests deeper than ${MAX_LINE_DEPTH} levels`,
    'too long': `is longer than ${maxLineBytes} bytes`,
    incomplete: 'is cut off: the body ended within it',
  }[reason];
  return { ok: false, id: undefined, errors: [{ attribute: 'record', rule: 'json', message }] };
}

function cutOff(error: unknown): never {
  throw new BridgeError(`the body could not be read to its end: ${coerceError(error).message}`, {
    code: 'import_cut_off',
    kind: 'reject',
    cause: error,
  });
}

/** Anything else is a bug, and its words are for the log. */
function isForeseen(failure: Error, signal: AbortSignal): failure is Error & { code: string } {
  return failure instanceof BridgeError || (failure === signal.reason && 'code' in failure);
}

function describe(failure: Error, signal: AbortSignal): { code: string; message: string } {
  return isForeseen(failure, signal)
    ? { code: failure.code, message: failure.message }
    : { code: 'internal_error', message: 'Something unexpected went wrong; the log has the cause' };
}
