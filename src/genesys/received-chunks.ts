import type { Readable } from 'node:stream';

/**
 * What came of a body, in its order, all that waits at once. Unlike the stream's own iterator it hands over all
 * that arrived before it throws the error that broke the connection. With `maxBytes` waiting the
 * body is paused, so that TCP holds the sender back. When the consumer stops, the body is
 * destroyed and with it the socket.
 */
export function receivedChunks(body: Readable, maxBytes: number): AsyncIterable<Buffer> {
  let waiting: Buffer[] = [];
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
        if (waiting.length > 0) {
          // A server that flushes each line sends chunks of one event: they are read together.
          const chunk = waiting.length === 1 ? waiting[0] : undefined;
          const all = chunk ?? Buffer.concat(waiting, waitingBytes);
          waiting = [];
          waitingBytes = 0;
          if (body.isPaused()) body.resume();
          yield all;
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
