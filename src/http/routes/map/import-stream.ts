import { once } from 'node:events';
import type { ImportLine, OpenedImport } from '../../../attributes/import-records.ts';
import { createUnlistedLines } from '../../../attributes/unlisted-lines.ts';
import type { Call } from '../../route.ts';
import { ndjson } from '../ndjson.ts';
import { statusOfRun } from './status-of-run.ts';

/** For so long a caller whose answer is stuck counts as one that reads slowly, in milliseconds. */
const GRACE_MS = 1000;

/**
 * Runs an import between the request's body and the response. A caller that reads slowly is waited
 * for. One that does not read, because it sends everything first, never holds up the reading of its
 * body: what cannot be listed meanwhile is in the summary, as ranges of lines. The last line is the
 * summary, with the status that the answer would have had as one document.
 */
export async function importLines(
  opened: OpenedImport,
  stream: AsyncIterable<Uint8Array>,
  call: Call,
): Promise<void> {
  const { response, signal } = call;
  const answer = ndjson(call);
  const unlisted = createUnlistedLines();
  let isRead = true;
  response.flushHeaders();

  function write(lines: readonly ImportLine[]): void {
    isRead ||= !response.writableNeedDrain;
    if (isRead) {
      answer.write(lines);
      return;
    }
    for (const line of lines) if (!('progress' in line)) unlisted.add(line);
  }

  async function drained(): Promise<void> {
    if (response.writableNeedDrain && isRead) {
      const patience = AbortSignal.timeout(GRACE_MS);
      await once(response, 'drain', { signal: AbortSignal.any([signal, patience]) }).catch(
        (error: unknown) => {
          signal.throwIfAborted();
          if (!patience.aborted) throw error;
        },
      );
      isRead = !response.writableNeedDrain;
    }
    signal.throwIfAborted();
  }

  const result = await opened.run(stream, { write, drained });
  const { success, ...facts } = result.summary;
  const { all } = unlisted;
  const summary = { success, status: statusOfRun(result), ...facts };
  answer.end({ summary: all.length === 0 ? summary : { ...summary, unlisted: all } });
  signal.throwIfAborted();
}
