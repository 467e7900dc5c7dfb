import { fstatSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { type DestinationStream, pino } from 'pino';

/** Where the lines of the log go. */
export interface LogOutput extends DestinationStream {
  /** Lines that nobody will read, so far. */
  readonly droppedLines: number;
  /** Resolves when everything is written, or after `timeoutMs`; never fails. */
  flush(timeoutMs: number): Promise<void>;
}

const MAX_WAITING_BYTES = 4_194_304;
/** What is handed over at once; a fatal line waits for no more than this. */
const CHUNK_BYTES = 65_536;
const MAX_FATAL_LINES = 100;
const FATAL = 60;
/** After an error of the output, in milliseconds: a named pipe may get another reader. */
const TRY_AGAIN_MS = 1000;

/**
 * The standard output. A file or a terminal is written at once. A pipe or a socket whose reader
 * does not read must not stop the service, and may be away for good: what it does not take waits,
 * within a bound. `process.stdout` never blocks there; `fs.write` would block a thread for ever,
 * which Node waits for when it exits.
 */
export function openLogOutput(): LogOutput {
  const output = fstatSync(1);
  if (output.isFIFO() || output.isSocket()) return createLogOutput(process.stdout);
  let droppedLines = 0;
  const file = pino.destination({ fd: 1, sync: true, maxLength: MAX_WAITING_BYTES });
  // A full disk: it keeps the line for the next time.
  file.on('error', () => undefined);
  file.on('drop', () => {
    droppedLines += 1;
  });
  return {
    write: (line) => void file.write(line),
    get droppedLines() {
      return droppedLines;
    },
    flush: async () => undefined,
  };
}

/**
 * Lines that wait for a reader, `maxBytes` of them and one chunk. Beyond that new ones are dropped
 * until half of it is free again; a line at that place says how many. A fatal line is always taken
 * and overtakes those that wait: it is why the process ends, and there may be no time for all.
 */
export function createLogOutput(output: Writable, maxBytes = MAX_WAITING_BYTES): LogOutput {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  const fatal: Buffer[] = [];
  let droppedLines = 0;
  let droppedUntold = 0;
  let tryingAgain: NodeJS.Timeout | undefined;
  let onSettled = (): void => undefined;
  // Each write is told of its error.
  output.on('error', () => undefined);

  function drop(): void {
    droppedLines += 1;
    droppedUntold += 1;
  }

  function wait(line: Buffer): void {
    waiting.push(line);
    waitingBytes += line.length;
  }

  function tellDropped(): void {
    if (droppedUntold === 0) return;
    wait(lineOfDropped(droppedUntold));
    droppedUntold = 0;
  }

  function takeChunk(): Buffer[] {
    let bytes = 0;
    const end = waiting.findIndex((line) => {
      bytes += line.length;
      return bytes > CHUNK_BYTES;
    });
    // A line that is longer than a chunk goes alone.
    const chunk = waiting.splice(0, end < 0 ? waiting.length : Math.max(1, end));
    for (const line of chunk) waitingBytes -= line.length;
    return chunk;
  }

  function isBusy(): boolean {
    return tryingAgain !== undefined || output.writableLength > 0;
  }

  function writeNext(): void {
    if (isBusy()) return;
    if (waitingBytes <= maxBytes / 2) tellDropped();
    const chunk = fatal.length > 0 ? fatal.splice(0) : takeChunk();
    if (chunk.length === 0) {
      onSettled();
      return;
    }
    output.write(Buffer.concat(chunk), (error) => settle(error, () => putBack(chunk)));
  }

  function putBack(chunk: readonly Buffer[]): void {
    waiting.unshift(...chunk);
    for (const line of chunk) waitingBytes += line.length;
  }

  function settle(error: Error | null | undefined, onLost: () => void): void {
    if (error === null || error === undefined) {
      writeNext();
      return;
    }
    onLost();
    tryingAgain ??= setTimeout(() => {
      tryingAgain = undefined;
      writeNext();
    }, TRY_AGAIN_MS).unref();
    onSettled();
  }
  const settleOne = (error: Error | null | undefined): void => settle(error, drop);

  const self = {
    // Asks pino for the level of each line.
    [Symbol.for('pino.metadata')]: true,
    lastLevel: 0,
    write(text: string) {
      if (waiting.length === 0 && fatal.length === 0 && !isBusy()) {
        output.write(text, settleOne);
        return;
      }
      const line = Buffer.from(text);
      const isFull = waitingBytes + line.length > (droppedUntold > 0 ? maxBytes / 2 : maxBytes);
      if (self.lastLevel >= FATAL && fatal.length < MAX_FATAL_LINES) fatal.push(line);
      else if (isFull) drop();
      else {
        tellDropped();
        wait(line);
      }
      writeNext();
    },
    get droppedLines() {
      return droppedLines;
    },
    async flush(timeoutMs: number) {
      tellDropped();
      await new Promise<void>((resolve) => {
        onSettled = resolve;
        setTimeout(resolve, timeoutMs).unref();
        if (tryingAgain === undefined) writeNext();
        else resolve();
      });
    },
  };
  return self;
}

function lineOfDropped(lines: number): Buffer {
  const time = new Date().toISOString();
  const msg = `Dropped ${lines} log lines: nobody read them in time`;
  return Buffer.from(`${JSON.stringify({ level: 'warn', time, droppedLines: lines, msg })}\n`);
}
