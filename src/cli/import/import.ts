// `npm run import -- --org acme tickets.ndjson`: sends a file of records to a running service.
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { request } from 'undici';
import { createJsonLinesParser } from '../../lib/json/json-lines.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import { type ImportArguments, readArguments, USAGE } from './import-arguments.ts';
import { BROKE_OFF, createImportOutcome, type ImportOutcome } from './import-outcome.ts';
import { createImportProgress } from './import-progress.ts';
import { openRecords, type RecordFile } from './record-lines.ts';
import { openRejects } from './rejects.ts';

export interface ImportIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean };
  readonly err: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean };
}

/** @returns the exit code. */
export async function importFile(args: readonly string[], io: ImportIo): Promise<number> {
  let given: ImportArguments;
  try {
    given = readArguments(args, io.env);
  } catch (error) {
    io.err.write(`${messageOf(error)}\n\n${USAGE}`);
    return 2;
  }
  try {
    return await send(given, io);
  } catch (error) {
    io.err.write(`The import could not be done: ${messageOf(error)}\n`);
    return 2;
  }
}

async function send(given: ImportArguments, io: ImportIo): Promise<number> {
  const { file } = given;
  const { size } = await stat(file);
  const records = await openRecords(file, given);
  if (records.dialect !== undefined) io.err.write(`${file}: ${describe(records)}\n`);
  const rejects = given.rejects === undefined ? undefined : await openRejects(given.rejects);
  const progress = createImportProgress(size, io.err);
  const outcome = createImportOutcome(records);

  /** Ends where the file cannot be read on, so that what was sent has its summary all the same. */
  async function* body(): AsyncGenerator<Buffer> {
    try {
      for await (const { bytes, bytesRead, refused } of records.pieces) {
        for (const row of refused) {
          const reject = outcome.refused(row);
          await rejects?.keepRow(row, reject);
        }
        progress.sent(bytesRead);
        if (bytes.length > 0) yield bytes;
      }
    } catch (error) {
      outcome.stoppedAt(records.nextLine, messageOf(error));
    }
  }

  try {
    const answer = await post(given, Readable.from(body(), { objectMode: false }));
    try {
      for await (const line of jsonLines(answer)) {
        if (isJsonObject(line['progress'])) progress.update(line['progress']);
        for (const reject of outcome.addLine(line)) await rejects?.keep(reject);
      }
    } catch (error) {
      outcome.brokeOff(messageOf(error));
    }
    // What it cannot be read for a second time, it could not be read for the first time.
    await rejects?.addRecords(() => openRecords(file, given)).catch(() => undefined);
  } finally {
    progress.end();
    await rejects?.close();
  }
  io.out.write(`${JSON.stringify(outcome.summary, undefined, 2)}\n`);
  return conclude(given, outcome, rejects?.failure, io.err);
}

/** Writes what went wrong, in sentences. @returns the exit code. */
function conclude(
  given: ImportArguments,
  { summary, reasons, listed }: ImportOutcome,
  rejectsFailure: Error | undefined,
  err: ImportIo['err'],
): number {
  for (const warning of summary.warnings) {
    err.write(`Warning: ${typeof warning === 'string' ? warning : JSON.stringify(warning)}\n`);
  }
  const notWritten = summary.rejected + summary.failed;
  if (given.rejects === undefined && notWritten > 0) {
    const more = notWritten - reasons.length;
    const rest = more > 0 ? `  and ${more} more; --rejects <file> keeps them all\n` : '';
    err.write(`Not written:\n${reasons.map((reason) => `  ${reason}\n`).join('')}${rest}`);
  } else if (listed < notWritten) {
    err.write(
      `${notWritten - listed} records that were not written are not in the file of rejects: the summary has them.\n`,
    );
  }
  const { stopped, error } = summary;
  if (stopped !== undefined) {
    err.write(
      `The file could not be read to its end: line ${stopped.line}: ${stopped.reason}. Nothing from that line on was sent.\n`,
    );
  }
  if (isJsonObject(error))
    err.write(`The import did not go to its end: ${String(error['message'])}\n`);
  if (rejectsFailure !== undefined) {
    err.write(`The file of rejects is not whole: ${rejectsFailure.message}\n`);
  }
  if (isJsonObject(error) && error['code'] === BROKE_OFF) return 2;
  if (stopped !== undefined || rejectsFailure !== undefined) return 2;
  if (summary.read === 0 && error === undefined) {
    err.write('Nothing was imported: the file holds no record.\n');
    return 2;
  }
  return summary.success ? 0 : 1;
}

/** @throws Error when the service did not take the import. */
async function post(
  { address, apiKey }: ImportArguments,
  body: Readable,
): Promise<AsyncIterable<Uint8Array>> {
  const answer = await request(address, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-ndjson',
      ...(apiKey === undefined ? {} : { 'x-api-key': apiKey }),
    },
    body,
    // The service answers as fast as Genesys lets it.
    headersTimeout: 0,
    bodyTimeout: 0,
  }).catch((error: unknown) => {
    throw new Error(`no answer from ${address.origin}: ${messageOf(error)}`, { cause: error });
  });
  if (answer.statusCode === 200) return answer.body;
  throw new Error(
    `the service answered ${answer.statusCode}: ${problemIn(await answer.body.text())}`,
  );
}

/** What a problem (RFC 9457) says to people; anything else as it is. */
function problemIn(text: string): string {
  try {
    const problem: unknown = JSON.parse(text);
    if (isJsonObject(problem) && typeof problem['detail'] === 'string') {
      const errors: unknown[] = Array.isArray(problem['errors']) ? problem['errors'] : [];
      const details = errors.map((one) => ` ${JSON.stringify(one)}`).join('');
      return `${problem['detail']} (${String(problem['code'])})${details}`;
    }
  } catch {
    // No JSON.
  }
  return text;
}

function describe({ encoding, dialect }: RecordFile): string {
  const { delimiter = ',', from = '' } = dialect ?? {};
  const shown = delimiter === '\t' ? 'tab' : JSON.stringify(delimiter);
  return `CSV in ${encoding}, delimiter ${shown} (from ${from})`;
}

async function* jsonLines(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const parser = createJsonLinesParser({ maxLineBytes: 64 * 1024 * 1024 });
  for await (const chunk of body) {
    for (const line of parser.push(chunk))
      if (line.ok && isJsonObject(line.value)) yield line.value;
  }
  for (const line of parser.end(false)) if (line.ok && isJsonObject(line.value)) yield line.value;
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : String(error);
}

if (import.meta.main) {
  process.exitCode = await importFile(process.argv.slice(2), {
    env: process.env,
    out: process.stdout,
    err: process.stderr,
  });
}
