import type { IncomingMessage } from 'node:http';
import { callerGone, headerOf } from './exchange.ts';
import { hasProtoKey, offsetTooDeep } from './json-guard.ts';
import { Problem } from './problem.ts';

export interface JsonBodyLimits {
  readonly maxBytes: number;
  /** Deepest nesting. */
  readonly maxDepth: number;
  /** Time for the whole body to arrive, in milliseconds. */
  readonly timeoutMs: number;
  /** Bytes of all bodies that are held at once, by all requests together. */
  readonly maxHeldBytes: number;
}

export interface JsonBody {
  /** `undefined` when the body is empty. */
  readonly value: unknown;
  readonly bytes: number;
}

/**
 * Reads JSON bodies within limits. Body-parser is not used because it reads a refused body to its
 * end before it answers, for as long as the sender likes.
 */
export interface JsonBodyReader {
  /**
   * @param onWanted called when the declared size is fine and the body may come
   * @throws Problem 400, 408, 413, 499 or 503
   */
  read(request: IncomingMessage, onWanted: () => void): Promise<JsonBody>;
}

export function createJsonBodyReader(limits: JsonBodyLimits): JsonBodyReader {
  let heldBytes = 0;

  function collect(request: IncomingMessage): Promise<Buffer> {
    const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
    const chunks: Buffer[] = [];
    let bytes = 0;
    const onData = (chunk: Buffer): void => {
      bytes += chunk.length;
      heldBytes += chunk.length;
      if (bytes > limits.maxBytes) fail(tooLarge(limits.maxBytes));
      else if (heldBytes > limits.maxHeldBytes) fail(overloaded());
      else chunks.push(chunk);
    };
    const onEnd = (): void => resolve(Buffer.concat(chunks, bytes));
    const onGone = (): void => reject(callerGone());
    const fail = (problem: Problem): void => {
      request.off('data', onData);
      reject(problem);
    };
    const timer = setTimeout(() => fail(tooSlow(limits.timeoutMs)), limits.timeoutMs);
    request.on('data', onData).once('end', onEnd).once('error', onGone).once('close', onGone);
    return promise.finally(() => {
      clearTimeout(timer);
      request.off('data', onData).off('end', onEnd).off('error', onGone).off('close', onGone);
      // What is left of a refused body flows past unread; the server bounds for how long.
      request.resume();
      heldBytes -= bytes;
    });
  }

  return {
    async read(request, onWanted) {
      const declared = Number(headerOf(request, 'content-length') ?? 0);
      if (declared > limits.maxBytes) throw tooLarge(limits.maxBytes);
      if (heldBytes + declared > limits.maxHeldBytes) throw overloaded();
      onWanted();
      const body = await collect(request);
      if (body.length === 0) return { value: undefined, bytes: 0 };
      return { value: parse(body, limits.maxDepth), bytes: body.length };
    },
  };
}

function parse(body: Buffer, maxDepth: number): unknown {
  const tooDeepAt = offsetTooDeep(body, maxDepth);
  if (tooDeepAt >= 0) {
    throw new Problem(
      400,
      'json_too_deep',
      `The body nests deeper than ${maxDepth} levels at byte ${tooDeepAt}.`,
    );
  }
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch (error) {
    throw new Problem(400, 'invalid_utf8', 'The body is not valid UTF-8.', { cause: error });
  }
  if (hasProtoKey(text)) {
    throw new Problem(400, 'json_forbidden_key', 'The body has a key "__proto__".');
  }
  try {
    return JSON.parse(text);
  } catch (error) {
    // The engine's message quotes the payload; only its position may go into answers and logs.
    const position =
      error instanceof Error ? /at position \d+/.exec(error.message)?.[0] : undefined;
    const where = position === undefined ? '' : ` ${position.replace('position', 'character')}`;
    throw new Problem(400, 'invalid_json', `The body is not valid JSON${where}.`);
  }
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
