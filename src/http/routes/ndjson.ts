import { once } from 'node:events';
import type { Call } from '../route.ts';

export const NDJSON = 'application/x-ndjson';

/** An answer of JSON lines. */
export interface JsonLinesAnswer {
  /** Takes lines at once; never throws, also when nobody reads any more. */
  write(lines: readonly object[]): void;
  /** Resolves when the caller has read enough; rejects when the signal aborts. */
  drained(): Promise<void>;
  /** The last line. */
  end(line: object): void;
}

/** Answers with status 200 and JSON lines; the headers go out with the first of them. */
export function ndjson({ response, signal }: Call): JsonLinesAnswer {
  response.status(200).set({
    'content-type': `${NDJSON}; charset=utf-8`,
    'cache-control': 'no-store, no-transform',
  });

  function write(lines: readonly object[]): void {
    if (lines.length === 0 || response.destroyed || response.writableEnded) return;
    response.write(`${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  }

  return {
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
    end(line) {
      write([line]);
      response.end();
    },
  };
}
