import { once } from 'node:events';
import type { ImportLine, OpenedImport } from '../../../attributes/import-records.ts';
import { createUnlistedLines } from '../../../attributes/unlisted-lines.ts';
import type { Call } from '../../route.ts';
import { statusOfRun } from './status-of-run.ts';

/** For so long a caller whose answer is stuck counts as one that reads slowly, in milliseconds. */
const GRACE_MS = 1000;

/**
 * Runs an import between the request's body and the response. A caller that reads slowly is waited
 * for. One that does not read, because it sends everything first, never holds up the reading of its
 * body: what cannot be listed meanwhile is in the summary, as ranges of lines. The last line is the
 * summary, with the status that the answer would have had as one document.
 */
export async function importLines(opened: OpenedImport, call: Call): Promise<void> {
  const { request, response, signal } = call;
  const unlisted = createUnlistedLines();
  let isRead = true;
  response.status(200).set({
    'content-type': 'application/x-ndjson; charset=utf-8',
    'cache-control': 'no-store, no-transform',
  });
  response.flushHeaders();

  function send(lines: readonly object[]): void {
    if (lines.length === 0 || response.destroyed || response.writableEnded) return;
    response.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  function write(lines: readonly ImportLine[]): void {
    isRead ||= !response.writableNeedDrain;
    if (isRead) {
      send(lines);
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

  const result = await opened.run(request as AsyncIterable<Uint8Array>, { write, drained });
  const { success, ...facts } = result.summary;
  const { all } = unlisted;
  const summary = { success, status: statusOfRun(result), ...facts };
  send([{ summary: all.length === 0 ? summary : { ...summary, unlisted: all } }]);
  response.end();
  signal.throwIfAborted();
}
