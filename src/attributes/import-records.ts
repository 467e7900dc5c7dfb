import { BridgeError, coerceError } from '../errors.ts';
import { abortable } from '../lib/abortable.ts';
import {
  type BadLineReason,
  createJsonLinesParser,
  type JsonLine,
  MAX_LINE_DEPTH,
} from '../lib/json/json-lines.ts';
import type { Logger } from '../lib/logger.ts';
import type { MapMetrics } from './map-metrics.ts';
import type {
  ConvertedRecord,
  RecordConverter,
  SkippedAttribute,
} from './mapping/record-converter.ts';
import type { UnmappedField } from './mapping/unmapped-fields.ts';
import { createRecordFates, isClean, type RecordCounts, type RunOutcome } from './record-fates.ts';
import type { FateLine } from './unlisted-lines.ts';
import type { Settled, Upserter } from './upsert/upsert.ts';

export interface ImportRequest {
  readonly orgId: string;
  readonly dryRun: boolean;
  readonly skipUnchanged: boolean;
  readonly signal: AbortSignal;
  readonly log: Logger;
}

/** What is known so far; may be left out where nobody reads. */
export interface ProgressLine {
  readonly progress: Readonly<
    Record<'read' | 'written' | 'rejected' | 'failed' | 'elapsedMs', number>
  >;
}

export type ImportLine = FateLine | ProgressLine;

/** Where the lines of the answer go. */
export interface ImportOutput {
  /** Takes lines at once; never throws, also when nobody reads any more. */
  write(lines: readonly ImportLine[]): void;
  /** Resolves when the other side has read enough, or does not read; rejects when the signal aborts. */
  drained(): Promise<void>;
}

export interface ImportSummary extends RecordCounts {
  readonly success: boolean;
  /** Lines with a record, good or bad. */
  readonly read: number;
  readonly elapsedMs: number;
  readonly allowedAttributes: readonly string[];
  readonly skippedAttributes: readonly SkippedAttribute[];
  readonly warnings: readonly string[];
  /** Only there when there are some. */
  readonly unmappedFields?: readonly UnmappedField[] | undefined;
  readonly dryRun: boolean;
  /** Why the import did not go to its end, or the rest was not sent. */
  readonly error?: { readonly code: string; readonly message: string } | undefined;
}

export interface ImportResult extends RunOutcome {
  readonly summary: ImportSummary;
}

export interface OpenedImport {
  /**
   * Reads the body to its end, or until the signal aborts, in constant memory. Writes
   * `{"progress"}`, `{"rejected"}`, `{"failed"}` and `{"superseded"}` lines. Never rejects: what
   * goes wrong is in the result.
   */
  run(body: AsyncIterable<Uint8Array>, output: ImportOutput): Promise<ImportResult>;
}

export interface RecordImporter {
  /** May we write, and what is allowed? @throws UpstreamError while an HTTP status can be given. */
  open(request: ImportRequest): Promise<OpenedImport>;
}

export interface RecordImporterOptions {
  readonly converters: { open(orgId: string, signal: AbortSignal): Promise<RecordConverter> };
  readonly upserter: Upserter;
  readonly metrics: MapMetrics;
  readonly maxLineBytes: number;
  /** How long a record of a slow sender waits for a full batch, in milliseconds. Default 1000. */
  readonly lingerMs?: number | undefined;
}

export function createRecordImporter(options: RecordImporterOptions): RecordImporter {
  return {
    async open(request) {
      const converter = await options.converters.open(request.orgId, request.signal);
      return { run: (body, output) => runImport(options, request, converter, body, output) };
    },
  };
}

async function runImport(
  { upserter, metrics, maxLineBytes, lingerMs = 1000 }: RecordImporterOptions,
  request: ImportRequest,
  converter: RecordConverter,
  body: AsyncIterable<Uint8Array>,
  output: ImportOutput,
): Promise<ImportResult> {
  const { signal, dryRun, log } = request;
  const startedMs = performance.now();
  const elapsedMs = () => Math.round(performance.now() - startedMs);
  const fates = createRecordFates(metrics, dryRun);
  const { counts } = fates;
  let read = 0;
  const run = upserter.open({ ...request, lingerMs, onSettled });

  function onSettled(settled: readonly Settled[]): void {
    fates.settle(settled);
    const lines: ImportLine[] = [];
    let isBatch = false;
    for (const { position: line, id, fate } of settled) {
      if (fate.fate === 'superseded') {
        lines.push({ superseded: { line, id, by: fate.by } });
        continue;
      }
      isBatch = true;
      if (fate.fate !== 'failed') continue;
      const { message: error, code, attempted } = fate;
      lines.push({ failed: { line, id, error, code, attempted } });
    }
    if (isBatch) {
      const { written, rejected, failed } = counts;
      lines.push({ progress: { read, written, rejected, failed, elapsedMs: elapsedMs() } });
    }
    output.write(lines);
  }

  async function take(lines: readonly JsonLine[]): Promise<void> {
    const rejections: FateLine[] = [];
    try {
      for (const given of lines) {
        const { line } = given;
        let converted = given.ok
          ? converter.convert(given.value)
          : unreadable(given.reason, maxLineBytes);
        if (converted instanceof Promise) converted = await converted;
        if (converted.ok && run.full) await run.room();
        read += 1;
        if (converted.ok) {
          // After an abort this settles it as not attempted: every line that was read has a fate.
          run.add(line, converted.update, converted.bytes);
        } else {
          const { id = null, errors } = converted;
          rejections.push({ rejected: { line, id, errors } });
        }
      }
    } finally {
      if (rejections.length > 0) {
        fates.reject(rejections.length);
        output.write(rejections);
      }
    }
    await output.drained();
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
  const success = failure === undefined && isClean(counts);
  const unmapped = converter.unmapped.all;
  const summary: ImportSummary = {
    success,
    read,
    ...counts,
    elapsedMs: elapsedMs(),
    allowedAttributes: converter.allowedAttributes,
    skippedAttributes: converter.skippedAttributes,
    warnings: [...converter.warnings, ...converter.unmapped.warnings],
    unmappedFields: unmapped.length === 0 ? undefined : unmapped,
    dryRun,
    error: failure && describe(failure, signal),
  };
  const { allowedAttributes: _all, unmappedFields: _names, ...facts } = summary;
  log.info(
    { orgId: request.orgId, ...facts, warnings: converter.warnings },
    broken === undefined ? 'Import ended' : 'Import was cut off',
  );
  return { summary, counts, success, failure, refused: fates.refused };
}

function unreadable(reason: BadLineReason, maxLineBytes: number): ConvertedRecord {
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

/** Anything else is a bug, and its message is for the log. */
function isForeseen(failure: Error, signal: AbortSignal): failure is Error & { code: string } {
  return failure instanceof BridgeError || (failure === signal.reason && 'code' in failure);
}

function describe(failure: Error, signal: AbortSignal): { code: string; message: string } {
  return isForeseen(failure, signal)
    ? { code: failure.code, message: failure.message }
    : { code: 'internal_error', message: 'Something unexpected went wrong; the log has the cause' };
}
