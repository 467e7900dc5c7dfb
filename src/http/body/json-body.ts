import type { IncomingMessage, ServerResponse } from 'node:http';
import type { JsonBounds } from '../../lib/json/json-bounds.ts';
import { callerGone, headerOf } from '../exchange.ts';
import { Problem } from '../problem.ts';
import type { HeldBody, HeldMemory } from './held-memory.ts';
import { parseJsonBody } from './json-guard.ts';
import { tooLarge } from './too-large.ts';

export interface JsonBodyLimits extends JsonBounds {
  readonly maxBytes: number;
  /** Time for the whole body to arrive, in milliseconds. */
  readonly timeoutMs: number;
}

/** A body that has arrived. */
export interface JsonBody {
  readonly bytes: number;
  /** Within the bounds, which are checked before anything is built. @throws Problem 400, 413 or 503 */
  parse(): unknown;
}

/**
 * Reads JSON bodies within limits. Body-parser is not used because it reads a refused body to its
 * end before it answers, for as long as the sender likes.
 */
export interface JsonBodyReader {
  /**
   * @param response its end gives back what the body takes of the memory for all of them
   * @throws Problem 408, 413, 499 or 503
   */
  read(request: IncomingMessage, response: ServerResponse, options: ReadOptions): Promise<JsonBody>;
}

export interface ReadOptions {
  /** Called when the declared size is fine and the body may come. */
  readonly onWanted: () => void;
  /** Media types of the route whose bodies have no bounds, for who sends too much. */
  readonly streams: readonly string[];
}

export function createJsonBodyReader(limits: JsonBodyLimits, memory: HeldMemory): JsonBodyReader {
  function collect(
    request: IncomingMessage,
    held: HeldBody,
    streams: readonly string[],
  ): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => fail(tooSlow(limits.timeoutMs)), limits.timeoutMs);
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);

    function onData(chunk: Buffer): void {
      bytes += chunk.length;
      try {
        if (bytes > limits.maxBytes) throw tooManyBytes(streams);
        held.take(chunk.length);
        chunks.push(chunk);
      } catch (error) {
        fail(error as Problem);
      }
    }
    function onEnd(): void {
      stopReading();
      resolve(Buffer.concat(chunks, bytes));
    }
    function onGone(): void {
      fail(callerGone());
    }
    function fail(problem: Problem): void {
      stopReading();
      // What is left of a refused body flows past unread; the server bounds for how long.
      request.resume();
      reject(problem);
    }
    function stopReading(): void {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    }
    return promise;
  }

  function tooManyBytes(streams: readonly string[]): Problem {
    const { maxBytes } = limits;
    return tooLarge(`is larger than ${maxBytes} bytes`, { maxBytes }, streams);
  }

  return {
    async read(request, response, { onWanted, streams }) {
      const declared = Number(headerOf(request, 'content-length') ?? 0);
      if (declared > limits.maxBytes) throw tooManyBytes(streams);
      const held = memory.open(response);
      held.expect(declared);
      onWanted();
      const body = await collect(request, held, streams);
      return {
        bytes: body.length,
        parse: () => parseJsonBody(body, { ...limits, streams, held }),
      };
    },
  };
}

function tooSlow(timeoutMs: number): Problem {
  return new Problem(408, 'body_timeout', `The body did not arrive within ${timeoutMs} ms.`, {
    headers: { connection: 'close' },
  });
}
