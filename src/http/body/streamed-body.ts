import type { IncomingMessage } from 'node:http';
import { abortable } from '../../lib/abortable.ts';
import type { Turns } from '../../lib/limits/loop-turns.ts';
import type { HeldBody } from './held-memory.ts';

const LINE_FEED = 10;
/** As Node reads them from the network. */
const CHUNK_BYTES = 65_536;
/** Lines of nothing but empty objects take so many times their bytes, once they are read. */
const GROWTH = 24;
/** What is handed over at once: of some dozen records, or events to simulate. */
const PIECE_BYTES = 4096;
/** After this much of a turn, in milliseconds, others get theirs. */
const TURN_MS = 1;
/** What a stream takes of the memory as long as its lines are shorter than a chunk. */
export const STREAM_BYTES = GROWTH * CHUNK_BYTES;

export interface StreamedBodyOptions {
  readonly turns: Turns;
  readonly abort: AbortController;
  /** Has taken `STREAM_BYTES`. */
  readonly held: HeldBody;
  /** Of a longer line only a beginning is kept by who reads it. */
  readonly maxLineBytes: number;
}

/**
 * The chunks of a body of lines, in small pieces. All bodies that come at once share the turns of the
 * event loop: so a stream of events, and probes, hardly notice them. A line that is longer than a chunk takes of the memory for all bodies: as it came,
 * and, when it is whole, as it may be once it is read. Where there is no room the exchange is
 * aborted with Problem 503.
 *
 * Rejects with the reason of an abort, also while nothing comes. Who stops reading leaves the
 * request as it is, so that an answer can still say why.
 */
export async function* streamedBody(
  request: IncomingMessage,
  { turns, abort, held, maxLineBytes }: StreamedBodyOptions,
): AsyncGenerator<Uint8Array> {
  const { signal } = abort;
  const chunks = request.iterator({ destroyOnReturn: false });
  /** Of the line that has not ended, up to the chunk at hand. */
  let lineBytes = 0;

  function hold(bytes: number): void {
    try {
      held.set(STREAM_BYTES + bytes);
    } catch (error) {
      abort.abort(error);
      throw error;
    }
  }
  function onLine(bytes: number, growth: number): void {
    if (bytes > CHUNK_BYTES) hold(bytes > maxLineBytes ? 0 : growth * bytes);
  }

  try {
    for (;;) {
      const next = await abortable(chunks.next(), signal);
      if (next.done === true) return;
      const chunk = next.value as Buffer;
      const end = chunk.indexOf(LINE_FEED);
      if (end !== -1) onLine(lineBytes + end, GROWTH);
      yield* inTurns(chunk, turns, signal);
      if (end === -1) {
        lineBytes += chunk.length;
        onLine(lineBytes, 1);
      } else {
        if (lineBytes + end > CHUNK_BYTES) hold(0);
        lineBytes = chunk.length - 1 - chunk.lastIndexOf(LINE_FEED);
      }
    }
  } finally {
    // With such a listener nothing would read away what is still coming.
    request.removeAllListeners('readable');
  }
}

async function* inTurns(
  chunk: Buffer,
  turns: Turns,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  let turnMs = -Infinity;
  for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
    if (performance.now() - turnMs > TURN_MS) {
      await turns(signal);
      turnMs = performance.now();
    }
    yield chunk.subarray(start, start + PIECE_BYTES);
  }
}
