/** How many calls may be under way: halved when the other side throttles, growing back by one a round. */
export interface InFlightLimit {
  readonly value: number;
  throttled(callStartedMs: number): void;
  succeeded(): void;
}

export function createInFlightLimit(
  max: number,
  now: () => number = () => performance.now(),
): InFlightLimit {
  let limit = max;
  let cutMs = -Infinity;

  return {
    get value() {
      return Math.floor(limit);
    },
    throttled(callStartedMs) {
      // Calls that were under way at the last cut say nothing about the limit of today.
      if (callStartedMs < cutMs) return;
      limit = Math.max(1, limit / 2);
      cutMs = now();
    },
    succeeded() {
      if (limit < max) limit = Math.min(max, limit + 1 / limit);
    },
  };
}
