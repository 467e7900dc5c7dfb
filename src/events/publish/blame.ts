import type { PendingEvent } from './pending-event.ts';

/** Tells an outage of the bus from an event that makes calls fail. */
export interface Blame {
  /** A call in which at least one entry was accepted. */
  accepted(): void;
  /**
   * A call in which none was accepted, `only` being its only event; whether this makes an outage:
   * call after call fails, over a second, with nothing accepted.
   */
  failed(only: PendingEvent | undefined): boolean;
  /** Ask before `failed`: the event was alone, and since it failed before others came through. */
  isToBlame(event: PendingEvent): boolean;
  /** The event failed before, and since then others came through. */
  othersPassed(event: PendingEvent): boolean;
  /** Has to go alone from now on, so that its failures are its own. */
  isSuspect(event: PendingEvent): boolean;
}

const OUTAGE_CALLS = 5;
const OUTAGE_MS = 1000;
const SUSPECT_AFTER = 3;
/** After so many failures it is to blame even if others fail now and then. */
const GUILTY_AFTER = 20;

export function createBlame(now: () => number = () => performance.now()): Blame {
  let acceptedMs = now();
  let failedMs = -Infinity;
  let failedCalls = 0;
  let failedOnly: PendingEvent | undefined;

  return {
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
    isToBlame({ alone, lastFailedAtMs, callFailures }) {
      if (!alone || acceptedMs <= lastFailedAtMs) return false;
      return failedMs <= lastFailedAtMs || callFailures >= GUILTY_AFTER;
    },
    othersPassed: ({ lastFailedAtMs }) => lastFailedAtMs > 0 && acceptedMs > lastFailedAtMs,
    isSuspect: ({ alone, callFailures }) => alone || callFailures >= SUSPECT_AFTER,
  };
}
