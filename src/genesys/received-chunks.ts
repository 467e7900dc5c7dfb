import type { Readable } from 'node:stream';

/** A server that flushes each line sends chunks of one event: they are handed over together. */
const TOGETHER_BYTES = 65_536;

/**
 * What came of a body, in its order; small chunks that wait are put together. Unlike the stream's
 * own iterator it hands over all that arrived before it throws the error that broke the
 * connection. With `maxBytes` waiting the body is paused, so that TCP holds the sender back. When
 * the consumer stops, the body is destroyed and with it the socket.
 */
export function receivedChunks(body: Readable, maxBytes: number): AsyncIterable<Buffer> {
  const waiting: Buffer[] = [];
  let waitingBytes = 0;
  let over = body.closed;
  let failure = body.errored;
  let wake: () => void = () => undefined;

  body.on('data', (chunk: Buffer) => {
    waiting.push(chunk);
    waitingBytes += chunk.length;
    if (waitingBytes >= maxBytes) body.pause();
    wake();
  });
  body.once('error', (error) => {
    failure = error;
    wake();
  });
  body.once('close', () => {
    over = true;
    wake();
  });

  function takeSome(): Buffer {
    let bytes = 0;
    const count = waiting.findIndex((chunk) => (bytes += chunk.length) >= TOGETHER_BYTES) + 1;
    const taken = waiting.splice(0, count === 0 ? waiting.length : count);
    return taken[0] !== undefined && taken.length === 1 ? taken[0] : Buffer.concat(taken, bytes);
  }

  async function* read(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        if (waiting.length > 0) {
          const chunk = takeSome();
          waitingBytes -= chunk.length;
          if (waitingBytes < maxBytes && body.isPaused()) body.resume();
          yield chunk;
        } else if (failure !== null) {
          throw failure;
        } else if (over) {
          return;
        } else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      body.destroy();
    }
  }
  return read();
}
