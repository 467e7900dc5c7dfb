// `npm run import -- --org acme tickets.ndjson`: sends a file of records to a running service.
import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { parseArgs } from 'node:util';
import { request } from 'undici';
import { createJsonLinesParser } from '../../lib/json-lines.ts';
import { createImportProgress } from './import-progress.ts';
import { readRecordLines } from './record-lines.ts';
import { addRecords, writeReject } from './rejects.ts';

const USAGE = `Usage: npm run import -- --org <id> [options] <file.ndjson | file.csv>
  --org <id>            organisation unit whose definitions hold
  --url <address>       of the service; default http://127.0.0.1:3000
  --rejects <file>      where records that were not written go, as JSON lines {line, id, …, record}
  --dry-run             everything but the write
  --skip-unchanged      leave out what Genesys has like this already
  --delimiter <char>    of a CSV file; default ","
  --api-key-env <name>  variable that holds the API key; default BRIDGE_API_KEY
Exit code: 0 everything written, 1 some records were not, 2 the import could not be done.
`;

export interface ImportIo {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly out: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean };
  readonly err: Pick<NodeJS.WriteStream, 'write'> & { readonly isTTY?: boolean };
}

interface Arguments {
  readonly file: string;
  readonly address: URL;
  readonly apiKey: string | undefined;
  readonly rejects: string | undefined;
  readonly delimiter: string | undefined;
}

/** @returns the exit code. */
export async function importFile(args: readonly string[], io: ImportIo): Promise<number> {
  let given: Arguments;
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

async function send(given: Arguments, io: ImportIo): Promise<number> {
  const { file, address, delimiter } = given;
  const { size } = await stat(file);
  const progress = createImportProgress(size, io.err);
  let failure: unknown;

  async function* body(): AsyncGenerator<string> {
    try {
      for await (const { text, bytesRead } of readRecordLines(file, delimiter)) {
        progress.sent(bytesRead);
        if (text !== '') yield text;
      }
    } catch (error) {
      failure = error;
      throw error;
    }
  }

  const rejects = given.rejects === undefined ? undefined : await openRejects(given.rejects);
  const held = new Map<number, object>();
  let summary: Readonly<Record<string, unknown>> | undefined;
  try {
    const answer = await request(address, {
      method: 'POST',
      headers: {
        'content-type': 'application/x-ndjson',
        ...(given.apiKey === undefined ? {} : { 'x-api-key': given.apiKey }),
      },
      body: Readable.from(body(), { objectMode: false }),
      // The service answers as fast as Genesys lets it.
      headersTimeout: 0,
      bodyTimeout: 0,
    });
    if (answer.statusCode !== 200) {
      throw new Error(`the service answered ${answer.statusCode}: ${await answer.body.text()}`);
    }
    for await (const line of jsonLines(answer.body)) {
      if (isObject(line['progress'])) progress.told(line['progress']);
      if (isObject(line['summary'])) summary = line['summary'];
      for (const fate of ['rejected', 'failed'] as const) {
        const told = line[fate];
        if (!isObject(told) || rejects === undefined) continue;
        await keep(rejects, held, Number(told['line']), { fate, ...told });
      }
    }
    if (rejects !== undefined) await addRecords(file, delimiter, held, rejects);
  } catch (error) {
    throw failure ?? error;
  } finally {
    progress.end();
    rejects?.end();
  }
  if (rejects !== undefined) await finished(rejects);
  if (summary === undefined) throw new Error('the answer broke off before its summary');
  // The list of allowed attributes is long, and `GET /attributes` has it for those who ask.
  const { allowedAttributes: _, ...outcome } = summary;
  io.out.write(`${JSON.stringify(outcome, undefined, 2)}\n`);
  return summary['success'] === true ? 0 : 1;
}

/** So many wait in memory for their record; what comes after them goes to the file without it. */
const MAX_HELD = 200_000;

async function keep(
  rejects: WriteStream,
  held: Map<number, object>,
  line: number,
  reject: object,
): Promise<void> {
  if (held.size < MAX_HELD) held.set(line, reject);
  else await writeReject(rejects, reject);
}

/** Before anything is sent, so that no import is begun whose rejects would be lost. */
async function openRejects(path: string): Promise<WriteStream> {
  const rejects = createWriteStream(path);
  await once(rejects, 'open');
  // What breaks it later comes to light with the next write, or at its end.
  rejects.on('error', () => undefined);
  return rejects;
}

async function* jsonLines(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<Readonly<Record<string, unknown>>> {
  const parser = createJsonLinesParser({ maxLineBytes: 64 * 1024 * 1024 });
  for await (const chunk of body) {
    for (const line of parser.push(chunk)) if (line.ok && isObject(line.value)) yield line.value;
  }
  for (const line of parser.end(false)) if (line.ok && isObject(line.value)) yield line.value;
}

function readArguments(args: readonly string[], env: ImportIo['env']): Arguments {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      org: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:3000' },
      rejects: { type: 'string' },
      delimiter: { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      'skip-unchanged': { type: 'boolean', default: false },
      'api-key-env': { type: 'string' },
    },
  });
  const [file] = positionals;
  if (file === undefined || positionals.length > 1) throw new Error('Name one file');
  if (values.org === undefined) throw new Error('--org is missing');
  if (!URL.canParse(values.url)) throw new Error('--url is no address');
  if (values.delimiter !== undefined && !/^[^"\r\n]$/u.test(values.delimiter)) {
    throw new Error('--delimiter is not one character');
  }
  const variable = values['api-key-env'];
  const apiKey = env[variable ?? 'BRIDGE_API_KEY'];
  if (variable !== undefined && (apiKey ?? '') === '') throw new Error(`${variable} is not set`);

  const address = new URL('map', values.url.replace(/\/*$/, '/'));
  address.searchParams.set('orgId', values.org);
  if (values['dry-run']) address.searchParams.set('dryRun', 'true');
  if (values['skip-unchanged']) address.searchParams.set('skipUnchanged', 'true');
  const { rejects, delimiter } = values;
  return { file, address, apiKey, rejects, delimiter };
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

if (import.meta.main) {
  process.exitCode = await importFile(process.argv.slice(2), {
    env: process.env,
    out: process.stdout,
    err: process.stderr,
  });
}
