import { BridgeError, UpstreamError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { probeDelayMs, sleep as realSleep, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { Outlet } from '../ports.ts';

export interface BusGateOptions {
  readonly bus: Pick<Outlet<never>, 'check'>;
  /** Reports the dependency `bus`. */
  readonly availability: Availability;
  /** Bounds of the back-off between two probes, in milliseconds. */
  readonly retry: { readonly baseMs: number; readonly capMs: number };
  /** How often the bus is checked while all is well, in milliseconds. Default 10 s. */
  readonly checkMs?: number | undefined;
  /** Upper bound of a wait that the bus asks for, in milliseconds. Default five minutes. */
  readonly maxHoldMs?: number | undefined;
  /** Sends one batch while the gate is closed; whether the bus took any of it, or nothing waits. */
  readonly probe: () => Promise<boolean>;
  readonly onOpen: () => void;
  /** The gate closed because the bus barred events, and others may have to be found. */
  readonly onSeek?: (() => void) | undefined;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
  readonly now?: (() => number) | undefined;
}

/**
 * Stands before the bus. It opens when the bus is known to exist (a missing one swallows events
 * without a word) or, where that may not be asked, takes what waits; closes when nothing would
 * succeed, and then lets single probes through.
 */
export interface BusGate {
  readonly open: boolean;
  /** `barred`: it was the events of one call that the bus does not let us publish, and no more. */
  close(error: unknown, barred?: boolean): void;
  /** Closed by events that the bus barred: the probes look for one that it takes. */
  readonly seeking: boolean;
  /**
   * The bus asked for `ms` of rest (`Retry-After`): no call starts before, whatever it carries. A
   * long one closes the gate, so that readiness and the log say why nothing is published.
   */
  hold(error: unknown, ms: number): void;
  /** What is left of that rest, in milliseconds. */
  readonly holdMs: number;
  /** Checks, and probes while closed, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
}

/** A shorter rest is no news. */
const LONG_HOLD_MS = 5000;

export function createBusGate(options: BusGateOptions): BusGate {
  const { bus, availability, retry, checkMs = 10_000, probe, onOpen, onSeek } = options;
  const { maxHoldMs = 300_000, random, sleep = realSleep, now = () => performance.now() } = options;
  const closed = createWakeup();
  let open = false;
  // A good check is enough at the start; after a refusal a batch has to come through as well.
  let mustProve = false;
  let seeking = false;
  let mayPass = false;
  let heldUntilMs = -Infinity;

  const holdMs = () => Math.max(0, heldUntilMs - now());

  function report(error: unknown): void {
    mayPass = isPassing(error);
    availability.down(error, 'publishing pauses, every event is kept and no retries are used up');
  }

  function close(error: unknown, barred = false): void {
    open = false;
    mustProve = true;
    seeking = barred;
    report(error);
    closed.wake();
    if (barred) onSeek?.();
  }

  function noteRest(ms: number): void {
    heldUntilMs = Math.max(heldUntilMs, now() + Math.min(ms, maxHoldMs));
  }

  return {
    get open() {
      return open;
    },
    close,
    get seeking() {
      return seeking;
    },
    hold(error, ms) {
      noteRest(ms);
      if (open && Math.min(ms, maxHoldMs) >= LONG_HOLD_MS) close(error);
    },
    get holdMs() {
      return holdMs();
    },
    async run(signal) {
      let failures = 0;
      for (;;) {
        if (open) await closed.wait(signal, checkMs);
        if (!open && (failures > 0 || mustProve)) {
          // Others may be waiting behind those that were barred.
          const soon = seeking || mayPass;
          await sleep(probeDelayMs(retry, Math.max(1, failures), soon, random), signal);
          while (holdMs() > 0) await sleep(holdMs(), signal);
        }
        try {
          const doubt = await bus.check(signal);
          if (!open && (mustProve || doubt !== undefined) && !(await probe())) {
            failures += 1;
            continue;
          }
          const opening = !open;
          failures = 0;
          open = true;
          mustProve = false;
          seeking = false;
          availability.up(doubt);
          if (opening) onOpen();
        } catch (error) {
          signal.throwIfAborted();
          // While open, the calls that publish show best whether the bus is away.
          if (open && isPassing(error)) continue;
          failures += 1;
          if (error instanceof UpstreamError) noteRest(error.retryAfterMs ?? 0);
          if (open) close(error);
          else report(error);
        }
      }
    },
  };
}

function isPassing(error: unknown): boolean {
  return error instanceof BridgeError && error.kind === 'retry';
}
