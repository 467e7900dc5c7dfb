export interface ImportProgress {
  sent(bytes: number): void;
  /** What a `{"progress"}` line of the answer says. */
  update(counts: Readonly<Record<string, unknown>>): void;
  /** Clears the bar. */
  end(): void;
}

const WIDTH = 24;
const REDRAW_EVERY_MS = 100;

/** A bar on a terminal; nothing where nobody looks. */
export function createImportProgress(
  totalBytes: number,
  terminal: { write(text: string): unknown; readonly isTTY?: boolean },
  now: () => number = () => performance.now(),
): ImportProgress {
  const startedMs = now();
  let drawnMs = Number.NEGATIVE_INFINITY;
  let sentBytes = 0;
  let counts: Readonly<Record<string, unknown>> = {};

  function draw(): void {
    if (terminal.isTTY !== true || now() - drawnMs < REDRAW_EVERY_MS) return;
    drawnMs = now();
    const share = totalBytes === 0 ? 1 : Math.min(1, sentBytes / totalBytes);
    const filled = Math.round(share * WIDTH);
    const written = Number(counts['written'] ?? 0);
    const perSecond = Math.round(written / Math.max(0.001, (now() - startedMs) / 1000));
    terminal.write(
      `\r\u001b[K[${'#'.repeat(filled)}${'-'.repeat(WIDTH - filled)}] ${Math.floor(share * 100)} % sent, ` +
        `${written} written, ${Number(counts['rejected'] ?? 0)} rejected, ${Number(counts['failed'] ?? 0)} failed, ${perSecond}/s`,
    );
  }

  return {
    sent(bytes) {
      sentBytes = bytes;
      draw();
    },
    update(newest) {
      counts = newest;
      draw();
    },
    end() {
      if (terminal.isTTY === true && drawnMs !== Number.NEGATIVE_INFINITY) {
        terminal.write('\r\u001b[K');
      }
    },
  };
}
