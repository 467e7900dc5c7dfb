import type { ServerResponse } from 'node:http';
import type { Faults, StreamFault } from '../faults.ts';
import type { EventBatch } from './interactions.ts';

/** One open connection of an event stream: writes batches, and goes wrong when a rule says so. */
export interface StreamClient {
  /** `false`: the batch was not written; somebody else has to keep it. */
  send(batch: EventBatch): boolean;
  keepAlive(): void;
  /** Neither silent nor closed. */
  isOpen(): boolean;
  /** TCP holds us back; what is sent now waits in memory. */
  isBlocked(): boolean;
  /** Breaks the connection. */
  cut(): void;
}

export interface StreamClientOptions {
  readonly response: ServerResponse;
  readonly faults: Faults;
  readonly random: () => number;
  /** Share of the writes that are cut in two at any byte. */
  readonly awkwardShare: number;
  /** Handed over to the operating system. */
  readonly onFlushed: (batch: EventBatch) => void;
  readonly onDrain: () => void;
}

const OPERATION = 'genesys.stream';
const TWO_MEBIBYTES = 2 * 1024 * 1024;
/** For a fault that needs an event when there is none. */
const SAMPLE = Buffer.from(
  '{"id":"cut","resourceType":"interaction","payload":{"note":"für später"}}\n',
);

export function createStreamClient(options: StreamClientOptions): StreamClient {
  const { response, faults, random } = options;
  let state: 'open' | 'silent' | 'keep-alive-only' | 'closed' = 'open';
  let blocked = false;
  let events = 0;
  /** The second half of a write that was cut in two. */
  let tail: (() => void) | undefined;
  let tailTimer: NodeJS.Timeout | undefined;
  response.once('close', () => {
    state = 'closed';
    clearTimeout(tailTimer);
  });

  function writeTail(): void {
    clearTimeout(tailTimer);
    tail?.();
    tail = undefined;
  }

  function write(bytes: Buffer | string, flushed?: () => void): void {
    const goesOn = response.write(bytes, (error) => {
      if (error === undefined || error === null) flushed?.();
    });
    if (goesOn || blocked) return;
    blocked = true;
    response.once('drain', () => {
      blocked = false;
      options.onDrain();
    });
  }

  function breakAfter(bytes: Buffer): void {
    state = 'closed';
    response.write(bytes, () => response.destroy());
  }

  /** Whether the batch may still be sent. */
  function disturb(fault: StreamFault | undefined, next: Buffer): boolean {
    switch (fault?.kind) {
      case undefined:
        return true;
      case 'cut-line':
        breakAfter(next.subarray(0, Math.floor(next.indexOf(10) / 2)));
        return false;
      case 'cut-character':
        breakAfter(uptoHalfCharacter(next) ?? uptoHalfCharacter(SAMPLE) ?? next);
        return false;
      case 'end':
        state = 'closed';
        response.end();
        return false;
      case 'silence':
        state = 'silent';
        return false;
      case 'keep-alive-only':
        state = 'keep-alive-only';
        return false;
      case 'garbage':
        write('<<< this line is not JSON >>>\n');
        return true;
      case 'long-line':
        write(`{"id":"${'x'.repeat((fault.bytes ?? TWO_MEBIBYTES) - 9)}"}\n`);
        return true;
    }
  }

  return {
    send(batch) {
      if (state !== 'open') return false;
      writeTail();
      if (!disturb(faults.judgeStream(OPERATION, events), batch.bytes)) return false;
      events += batch.events;
      const flushed = (): void => options.onFlushed(batch);
      if (random() < options.awkwardShare) {
        const at = 1 + Math.floor(random() * (batch.bytes.length - 1));
        write(batch.bytes.subarray(0, at));
        tail = () => write(batch.bytes.subarray(at), flushed);
        // In the same turn of the loop both halves would arrive as one.
        tailTimer = setTimeout(writeTail, 1);
      } else write(batch.bytes, flushed);
      return true;
    },
    keepAlive() {
      writeTail();
      if (state === 'open') disturb(faults.judgeStream(OPERATION, events), SAMPLE);
      if ((state === 'open' || state === 'keep-alive-only') && !blocked) write('\n');
    },
    isOpen: () => state === 'open',
    isBlocked: () => blocked && state === 'open',
    cut() {
      state = 'closed';
      response.destroy();
    },
  };
}

/** The first line up to the middle of its first character of several bytes. */
function uptoHalfCharacter(bytes: Buffer): Buffer | undefined {
  const lead = bytes.subarray(0, bytes.indexOf(10)).findIndex((byte) => byte >= 0xc2);
  return lead === -1 ? undefined : bytes.subarray(0, lead + 1);
}
