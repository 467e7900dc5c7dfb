import { createHash } from 'node:crypto';
import { BridgeError } from '../../errors.ts';
import { splitIntoBatches } from '../../lib/batches.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { BufferedEvent, EventBuffer } from '../ports.ts';

/**
 * Puts the events of dead letters into the buffer, each under a de-duplication id of its letter: under
 * its own, one that comes within five minutes of the first would be taken and never delivered.
 *
 * @throws BridgeError when not all were taken; those that were are recognised when they come again.
 */
export async function takeIntoBuffer(
  buffer: Pick<EventBuffer, 'put' | 'maxEntries' | 'maxBytes' | 'bytesOf'>,
  events: readonly EventToTake[],
): Promise<void> {
  const buffered = events.map(
    ({ eventId, event, takenAtMs, letterId = '' }): BufferedEvent => ({
      eventId,
      event,
      takenAtMs,
      deduplicationId: createHash('sha256').update(`${eventId} ${letterId}`).digest('hex'),
    }),
  );
  const batches = splitIntoBatches(buffered, {
    maxItems: buffer.maxEntries,
    maxBytes: buffer.maxBytes,
    bytesOf: buffer.bytesOf,
  });
  for (const batch of batches) {
    const outcomes = await buffer.put(batch);
    const failure = outcomes.find(({ accepted }) => !accepted);
    if (failure === undefined || failure.accepted) continue;
    const { message, code, kind } = failure;
    throw new BridgeError(message, { code, kind });
  }
}
