import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 20;
const SAMPLE_MS = 500;

/** How late the event loop runs, on average over the last half second. */
export interface LoopMonitor {
  readonly delayMs: number;
  start(): void;
  stop(): void;
}

export function createLoopMonitor(): LoopMonitor {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  let timer: NodeJS.Timeout | undefined;
  let delayMs = 0;

  function sample(): void {
    // An idle loop shows the resolution itself as the mean.
    delayMs = histogram.count === 0 ? 0 : Math.max(0, histogram.mean / 1e6 - RESOLUTION_MS);
    histogram.reset();
  }

  return {
    get delayMs() {
      return delayMs;
    },
    start() {
      histogram.enable();
      timer ??= setInterval(sample, SAMPLE_MS).unref();
    },
    stop() {
      histogram.disable();
      clearInterval(timer);
      timer = undefined;
    },
  };
}
