import { once } from 'node:events';
import type { OpenedImport } from '../../../attributes/import-records.ts';
import type { Call } from '../../route.ts';

/** Runs an import between the request's body and the response, with back-pressure both ways. */
export async function importLines(opened: OpenedImport, call: Call): Promise<void> {
  const { request, response, signal } = call;
  response.status(200).set({
    'content-type': 'application/x-ndjson; charset=utf-8',
    'cache-control': 'no-store, no-transform',
  });
  response.flushHeaders();

  await opened.run(request as AsyncIterable<Uint8Array>, {
    write(lines) {
      if (lines.length === 0 || response.destroyed || response.writableEnded) return;
      response.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
    },
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
  response.end();
  signal.throwIfAborted();
}
