import type { IncomingMessage } from 'node:http';
import { abortable } from '../../lib/abortable.ts';
import type { Turns } from '../../lib/limits/loop-turns.ts';

/** What is handed over at once: of some hundred records, or some dozen events to simulate. */
const PIECE_BYTES = 4096;
/** After this much of a turn, in milliseconds, others get theirs. */
const TURN_MS = 1;

/**
 * The chunks of a streamed body, in small pieces. All bodies that come at once share the turns of
 * the event loop, a few milliseconds in each: so a stream of events, and probes, hardly notice
 * them. Rejects with the signal's reason when it aborts, also while nothing comes. Who stops reading
 * leaves the request as it is, so that an answer can still say why.
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
      const chunk = next.value as Uint8Array;
      await turns(signal);
      let turnMs = performance.now();
      for (let start = 0; start < chunk.length; start += PIECE_BYTES) {
        if (performance.now() - turnMs > TURN_MS) {
          await turns(signal);
          turnMs = performance.now();
        }
        yield chunk.subarray(start, start + PIECE_BYTES);
      }
    }
  } finally {
    // With such a listener nothing would read away what is still coming.
    request.removeAllListeners('readable');
  }
}
