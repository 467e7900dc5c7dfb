import { once } from 'node:events';
import { createWriteStream, type WriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { rawText } from '../../lib/json/json-lines.ts';
import type { RecordFile, RefusedRow } from './record-lines.ts';

/** What the service says about a line, or we. */
export interface Reject {
  readonly line: number;
  readonly fate: 'rejected' | 'failed';
  readonly [field: string]: unknown;
}

/** The file of records that were not written, one a line with its reason. */
export interface RejectsFile {
  keep(reject: Reject): Promise<void>;
  keepRow(row: RefusedRow, reject: Reject): Promise<void>;
  /** Reads the records a second time and adds each to its reject. */
  addRecords(open: () => Promise<RecordFile>): Promise<void>;
  close(): Promise<void>;
  /** What broke it: the import goes on without it. */
  readonly failure: Error | undefined;
}

/** So many wait in memory for their record; what comes after them goes to the file without it. */
const MAX_HELD = 200_000;
/** A longer line is not copied. */
const MAX_RECORD_BYTES = 16_000_000;

/** Opened before anything is sent, so that no import is begun whose rejects would be lost. */
export async function openRejects(path: string): Promise<RejectsFile> {
  const output: WriteStream = createWriteStream(path);
  await once(output, 'open');
  let failure: Error | undefined;
  output.on('error', (error) => {
    failure = error;
  });
  const held = new Map<number, Reject>();

  async function write(reject: Reject, record?: string): Promise<void> {
    if (failure !== undefined) return;
    const text = JSON.stringify(reject);
    const line = record === undefined ? text : `${text.slice(0, -1)},"record":${record}}`;
    // What breaks it is in `failure`.
    if (!output.write(`${line}\n`)) await once(output, 'drain').catch(() => undefined);
  }

  return {
    async keep(reject) {
      if (held.size < MAX_HELD) held.set(reject.line, reject);
      else await write(reject);
    },
    keepRow: (row, reject) => write(reject, JSON.stringify(rawText(row.raw))),
    async addRecords(open) {
      if (held.size === 0) return;
      const records = await open();
      let line = 0;
      for await (const bytes of linesOf(records.pieces)) {
        line += 1;
        const reject = held.get(line);
        if (reject === undefined) continue;
        held.delete(line);
        await write(reject, bytes.length > MAX_RECORD_BYTES ? undefined : recordOf(bytes));
      }
    },
    async close() {
      // Those whose record cannot be read any more are no less rejected.
      for (const reject of held.values()) await write(reject);
      output.end();
      await finished(output).catch(() => undefined);
    },
    get failure() {
      return failure;
    },
  };
}

/** JSON as it came, so that no number of it changes; what is none as the text that it is. */
function recordOf(line: Buffer): string {
  const text = rawText(line);
  try {
    JSON.parse(text);
    return text.trim();
  } catch {
    return JSON.stringify(text);
  }
}

/** Of a line that is too long only the beginning, in any case more than `MAX_RECORD_BYTES`. */
async function* linesOf(pieces: RecordFile['pieces']): AsyncGenerator<Buffer> {
  let parts: Buffer[] = [];
  let length = 0;
  function keep(part: Buffer): void {
    if (length <= MAX_RECORD_BYTES) parts.push(part);
    length += part.length;
  }
  for await (const { bytes } of pieces) {
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      keep(bytes.subarray(start, end));
      yield Buffer.concat(parts);
      parts = [];
      length = 0;
      start = end + 1;
    }
    keep(bytes.subarray(start));
  }
  if (length > 0) yield Buffer.concat(parts);
}
