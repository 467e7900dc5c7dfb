import { once } from 'node:events';
import type { OpenedImport } from '../../../attributes/import-records.ts';
import type { Call } from '../../route.ts';
import { statusOfRun } from './status-of-run.ts';

/**
 * Runs an import between the request's body and the response, with back-pressure both ways. The
 * last line is the summary, with the status that the answer would have had as one document.
 */
export async function importLines(opened: OpenedImport, call: Call): Promise<void> {
  const { request, response, signal } = call;
  response.status(200).set({
    'content-type': 'application/x-ndjson; charset=utf-8',
    'cache-control': 'no-store, no-transform',
  });
  response.flushHeaders();

  function write(lines: readonly object[]): void {
    if (lines.length === 0 || response.destroyed || response.writableEnded) return;
    response.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  const result = await opened.run(request as AsyncIterable<Uint8Array>, {
    write,
    async drained() {
      while (response.writableNeedDrain) {
        try {
          await once(response, 'drain', { signal });
        } catch (error) {
          signal.throwIfAborted();
          throw error;
        }
      }
      signal.throwIfAborted();
    },
  });
  const { success, ...facts } = result.summary;
  write([{ summary: { success, status: statusOfRun(result), ...facts } }]);
  response.end();
  signal.throwIfAborted();
}
