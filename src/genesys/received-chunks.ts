import type { Readable } from 'node:stream';

/**
 * The chunks of a body in the order they came. Unlike the stream's own iterator it hands over all
 * that arrived before it throws the error that broke the connection. With `maxBytes` waiting the
 * body is paused, so that TCP holds the sender back. When the consumer stops, the body is
 * destroyed and with it the socket.
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

  async function* read(): AsyncGenerator<Buffer, void, undefined> {
    try {
      for (;;) {
        const chunk = waiting.shift();
        if (chunk !== undefined) {
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
