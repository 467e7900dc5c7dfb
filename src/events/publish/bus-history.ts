/** When calls to the bus last succeeded and failed; distinguishes an outage from an event that makes calls fail. */
export interface BusHistory {
  /** `performance.now()` of the last call in which at least one entry was accepted. */
  readonly acceptedMs: number;
  /** `performance.now()` of the last call in which none was. */
  readonly failedMs: number;
  accepted(): void;
  /**
   * A call in which none was accepted, `only` being its only event; whether this makes an outage:
   * call after call fails, over a second, with nothing accepted.
   */
  failed(only: object | undefined): boolean;
}

const OUTAGE_CALLS = 5;
const OUTAGE_MS = 1000;

export function createBusHistory(now: () => number = () => performance.now()): BusHistory {
  let acceptedMs = now();
  let failedMs = -Infinity;
  let failedCalls = 0;
  let failedOnly: object | undefined;

  return {
    get acceptedMs() {
      return acceptedMs;
    },
    get failedMs() {
      return failedMs;
    },
    accepted() {
      acceptedMs = now();
      failedCalls = 0;
      failedOnly = undefined;
    },
    failed(only) {
      failedMs = now();
      // One bad event that fails again and again is no outage.
      if (only !== undefined && only === failedOnly) return false;
      failedOnly = only;
      failedCalls += 1;
      return failedCalls >= OUTAGE_CALLS && failedMs - acceptedMs >= OUTAGE_MS;
    },
  };
}
