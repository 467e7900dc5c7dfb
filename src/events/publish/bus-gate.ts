import { BridgeError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { fullJitterMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { EventBus } from '../ports.ts';

export interface BusGateOptions {
  readonly bus: Pick<EventBus, 'check'>;
  /** Of the dependency `bus`. */
  readonly availability: Availability;
  /** Bounds of the back-off between two probes, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  /** How often the bus is checked while all is well, in milliseconds. Default one minute. */
  readonly checkMs?: number | undefined;
  /** Sends one batch while the gate is closed; whether the bus took any of it, or nothing waits. */
  readonly probe: () => Promise<boolean>;
  readonly onOpen: () => void;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
}

/**
 * Stands before the bus. It opens when the bus is known to exist (a missing one swallows events
 * without a word), closes when nothing would succeed, and then lets single probes through.
 */
export interface BusGate {
  readonly open: boolean;
  close(error: unknown): void;
  /** Checks, and probes while closed, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

export function createBusGate(options: BusGateOptions): BusGate {
  const { bus, availability, retry, checkMs = 60_000, probe, onOpen } = options;
  const { random, sleep = realSleep } = options;
  const closed = createWakeup();
  let open = false;
  // A good check is enough at the start; after a refusal a batch has to come through as well.
  let mustProve = false;

  function tell(error: unknown): void {
    availability.down(error, 'publishing pauses, every event is kept and no retries are used up');
  }

  function close(error: unknown): void {
    open = false;
    mustProve = true;
    tell(error);
    closed.wake();
  }

  return {
    get open() {
      return open;
    },
    close,
    async run(signal) {
      let failures = 0;
      for (;;) {
        if (open) await closed.wait(signal, checkMs);
        if (!open && (failures > 0 || mustProve)) {
          await sleep(fullJitterMs(retry, Math.max(1, failures), random), signal);
        }
        try {
          await bus.check(signal);
          if (!open && mustProve && !(await probe())) {
            failures += 1;
            continue;
          }
          const opening = !open;
          failures = 0;
          open = true;
          mustProve = false;
          availability.up();
          if (opening) onOpen();
        } catch (error) {
          signal.throwIfAborted();
          const passing = error instanceof BridgeError && error.kind === 'retry';
          // While open, the calls that publish tell best whether the bus is away.
          if (open && passing) continue;
          failures += 1;
          if (open) close(error);
          else tell(error);
        }
      }
    },
  };
}
