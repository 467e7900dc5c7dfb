export interface BatchSizeOptions {
  readonly start: number;
  readonly min: number;
  readonly max: number;
  /** Slower writes make the batches smaller, faster ones larger; in milliseconds. */
  readonly targetLatencyMs: number;
  readonly onChange?: (size: number, reason: 'fast' | 'slow' | 'throttled') => void;
}

export interface WriteFacts {
  readonly sent: number;
  readonly latencyMs: number;
  /** How many tries were answered 429. */
  readonly throttled: number;
  /** `BatchSize.epoch` when the batch was formed. */
  readonly epoch: number;
}

/**
 * How many records go into one write: additive increase, multiplicative decrease (as TCP does),
 * driven by the latency of the writes and by 429s.
 */
export interface BatchSize {
  readonly current: number;
  /** Counts the decreases: batches formed before the last one say nothing about the new size. */
  readonly epoch: number;
  observe(write: WriteFacts): void;
}

export function createBatchSize(options: BatchSizeOptions): BatchSize {
  const { min, max, targetLatencyMs, onChange } = options;
  const step = Math.max(1, Math.round(max / 20));
  let current = Math.min(max, Math.max(min, options.start));
  let epoch = 0;

  function change(size: number, reason: 'fast' | 'slow' | 'throttled'): void {
    if (size === current) return;
    current = size;
    onChange?.(size, reason);
  }

  return {
    get current() {
      return current;
    },
    get epoch() {
      return epoch;
    },
    observe({ sent, latencyMs, throttled, epoch: formedIn }) {
      if (formedIn !== epoch) return;
      if (throttled > 0 || latencyMs > targetLatencyMs) {
        epoch += 1;
        change(Math.max(min, Math.floor(current / 2)), throttled > 0 ? 'throttled' : 'slow');
      } else if (sent >= current) {
        // Only a full batch proves that its size is bearable.
        change(Math.min(max, current + step), 'fast');
      }
    },
  };
}
