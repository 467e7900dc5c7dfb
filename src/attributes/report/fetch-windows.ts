import { BridgeError } from '../../errors.ts';
import type { Conversations } from '../ports.ts';
import type { UsageTally } from './flat-tally.ts';
import type { ReportWindow } from './period.ts';

/** How far a report has come. */
export interface ReportProgress {
  readonly pages: number;
  readonly conversations: number;
  readonly windowsDone: number;
  readonly windows: number;
}

export interface FetchOptions {
  readonly conversations: Conversations;
  readonly windows: readonly ReportWindow[];
  readonly windowsInFlight: number;
  /** Of all windows together. */
  readonly maxPages: number;
  readonly tally: UsageTally;
  readonly onProgress: (progress: ReportProgress) => void;
  readonly signal: AbortSignal;
}

/**
 * Reads all windows, some of them side by side, into the tally; one page of each is in memory.
 * The first failure stops the others. Returns when nothing is under way any more.
 *
 * @throws what the port threw, or BridgeError `report_too_large`.
 */
export async function fetchWindows(options: FetchOptions): Promise<void> {
  const { windows, maxPages, tally, onProgress } = options;
  const failed = new AbortController();
  const signal = AbortSignal.any([options.signal, failed.signal]);
  let pages = 0;
  let windowsDone = 0;

  function report(): void {
    const conversations = tally.conversations.count;
    onProgress({ pages, conversations, windowsDone, windows: windows.length });
  }

  async function read(window: ReportWindow): Promise<void> {
    for await (const page of options.conversations.pages(window, signal)) {
      signal.throwIfAborted();
      pages += 1;
      if (pages > maxPages) {
        throw new BridgeError(
          `The period has more than ${maxPages} pages of conversations; ask for a shorter one, or raise REPORT_MAX_PAGES`,
          { code: 'report_too_large', kind: 'reject', details: { maxPages } },
        );
      }
      tally.add(page, window.day);
      report();
    }
    windowsDone += 1;
    report();
  }

  const waiting = windows.values();
  const lanes = Array.from({ length: options.windowsInFlight }, async () => {
    for (const window of waiting) {
      try {
        await read(window);
      } catch (error) {
        failed.abort(error);
      }
      signal.throwIfAborted();
    }
  });
  await Promise.allSettled(lanes);
  // The reason of the first failure; what it tore down with it is of no interest.
  signal.throwIfAborted();
}
