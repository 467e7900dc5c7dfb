import type { IncomingMessage, ServerResponse } from 'node:http';
import { callerGone, headerOf } from '../exchange.ts';
import { Problem } from '../problem.ts';

export interface JsonBodyLimits {
  readonly maxBytes: number;
  /** Time for the whole body to arrive, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of all bodies that are held at once, by all requests together: each until its answer is out. */
  readonly maxHeldBytes: number;
}

/**
 * Reads JSON bodies, as bytes, within limits. Body-parser is not used because it reads a refused body to its
 * end before it answers, for as long as the sender likes.
 */
export interface JsonBodyReader {
  /**
   * @param response its end gives back what the body takes of `maxHeldBytes`
   * @param onWanted called when the declared size is fine and the body may come
   * @throws Problem 408, 413, 499 or 503
   */
  read(request: IncomingMessage, response: ServerResponse, onWanted: () => void): Promise<Buffer>;
}

export function createJsonBodyReader(limits: JsonBodyLimits): JsonBodyReader {
  let heldBytes = 0;

  function collect(request: IncomingMessage, response: ServerResponse): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let bytes = 0;
    const timer = setTimeout(() => fail(tooSlow(limits.timeoutMs)), limits.timeoutMs);
    request.on('data', onData).on('end', onEnd).on('error', onGone).on('close', onGone);

    function onData(chunk: Buffer): void {
      bytes += chunk.length;
      heldBytes += chunk.length;
      if (bytes > limits.maxBytes) fail(tooLarge(limits.maxBytes));
      else if (heldBytes > limits.maxHeldBytes) fail(overloaded());
      else chunks.push(chunk);
    }
    function onEnd(): void {
      stopReading();
      // What was made of the body lives for as long as the request is worked on.
      if (response.destroyed) giveBack();
      else response.once('close', giveBack);
      resolve(Buffer.concat(chunks, bytes));
    }
    function onGone(): void {
      fail(callerGone());
    }
    function fail(problem: Problem): void {
      stopReading();
      giveBack();
      // What is left of a refused body flows past unread; the server bounds for how long.
      request.resume();
      reject(problem);
    }
    function giveBack(): void {
      heldBytes -= bytes;
    }
    function stopReading(): void {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
    }
    return promise;
  }

  return {
    async read(request, response, onWanted) {
      const declared = Number(headerOf(request, 'content-length') ?? 0);
      if (declared > limits.maxBytes) throw tooLarge(limits.maxBytes);
      if (heldBytes + declared > limits.maxHeldBytes) throw overloaded();
      onWanted();
      return collect(request, response);
    },
  };
}

function tooLarge(maxBytes: number): Problem {
  return new Problem(413, 'body_too_large', `The body is larger than ${maxBytes} bytes.`, {
    members: { maxBytes },
  });
}

function tooSlow(timeoutMs: number): Problem {
  return new Problem(408, 'body_timeout', `The body did not arrive within ${timeoutMs} ms.`, {
    headers: { connection: 'close' },
  });
}

function overloaded(): Problem {
  return new Problem(503, 'overloaded', 'Too many large bodies at once; try again shortly.', {
    headers: { 'retry-after': '1' },
  });
}
