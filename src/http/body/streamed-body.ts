import type { IncomingMessage } from 'node:http';
import { abortable } from '../../lib/abortable.ts';
import type { Turns } from '../../lib/limits/loop-turns.ts';

/**
 * The chunks of a streamed body. Each has a turn of the event loop of its own, however many bodies
 * come at once. Rejects with the signal's reason when it aborts, also while nothing comes. Who stops
 * reading leaves the request as it is, so that an answer can still say why.
 */
export async function* streamedBody(
  request: IncomingMessage,
  turns: Turns,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const chunks = request.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const next = await abortable(chunks.next(), signal);
      if (next.done === true) return;
      await turns(signal);
      yield next.value as Uint8Array;
    }
  } finally {
    // With such a listener nothing would read away what is still coming.
    request.removeAllListeners('readable');
  }
}
