import { BridgeError, coerceError, type FailureKind, UpstreamError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { fullJitterMs, type Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import type { BusEntry, EventBus, PutOutcome } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import { createBlame } from './blame.ts';
import { createBusGate } from './bus-gate.ts';
import { createInFlightLimit } from './in-flight-limit.ts';
import { createPendingEvent, type PendingEvent } from './pending-event.ts';
import { createPublishQueue } from './publish-queue.ts';

/** An event that cannot be published, and why. */
export interface Refusal {
  readonly event: TakenEvent;
  readonly entry: BusEntry;
  /** How often it was sent to the bus. */
  readonly attempts: number;
  /** How many retries its own errors used up. */
  readonly retries: number;
  readonly code: string;
  readonly message: string;
}

export interface PublisherOptions {
  readonly bus: EventBus;
  /** Of the dependency `bus`. */
  readonly availability: Availability;
  /** How long an event waits for others to fill its batch, in milliseconds. */
  readonly lingerMs: number;
  readonly maxInFlight: number;
  readonly retry: {
    /** Retries of an entry for errors of its own. */
    readonly maxRetries: number;
    readonly baseMs: number;
    readonly capMs: number;
  };
  readonly onAccepted: (events: readonly TakenEvent[]) => void;
  readonly onRefused: (refusal: Refusal) => void;
  readonly onRetry?: ((code: string) => void) | undefined;
  readonly onCall?: ((entries: number, tookMs: number) => void) | undefined;
  readonly checkMs?: number | undefined;
  readonly random?: (() => number) | undefined;
  readonly sleep?: Sleep | undefined;
}

/**
 * Publishes in full batches with a bounded number of calls in flight. What becomes of a failure:
 * an entry's own passing error is retried and then refused; a refused batch is split until the
 * guilty entry is alone; throttling, time-outs and failing calls use up no retries; an outage or a
 * systemic error closes the gate, and everything waits.
 */
export interface Publisher {
  add(event: TakenEvent, entry: BusEntry): void;
  /** Whether more should be added now; otherwise wait for `whenRoom`. */
  readonly room: boolean;
  whenRoom(signal: AbortSignal): Promise<void>;
  readonly inFlight: number;
  readonly inFlightLimit: number;
  readonly waiting: number;
  readonly delayed: number;
  readonly open: boolean;
  readonly paused: boolean;
  /** Starts no more calls; those under way finish. */
  pause(): void;
  resume(): void;
  /** Checks the bus and keeps probing it while it is away, until the signal aborts. */
  run(signal: AbortSignal): Promise<void>;
  /** Sends what waits at once; resolves when no call is in flight and nothing more can be sent. */
  drain(signal: AbortSignal): Promise<void>;
  stop(): void;
}

export function createPublisher(options: PublisherOptions): Publisher {
  const { bus, lingerMs, maxInFlight, retry, onAccepted, onRefused, random } = options;
  const aborted = new AbortController();
  const limit = createInFlightLimit(maxInFlight);
  const blame = createBlame();
  const roomWakeup = createWakeup();
  const idleWakeup = createWakeup();
  const queue = createPublishQueue({
    maxEntries: bus.maxEntries,
    maxBytes: bus.maxBytes,
    onDue: pump,
  });
  const gate = createBusGate({
    bus,
    availability: options.availability,
    retry,
    checkMs: options.checkMs,
    // Where all that waits is delayed, nothing is proven yet.
    probe: async () =>
      paused || (queue.size === 0 ? queue.delayed === 0 : await send(queue.takeBatch('new'))),
    onOpen: pump,
    random,
    sleep: options.sleep,
  });
  const highWater = 2 * maxInFlight * bus.maxEntries;
  let inFlight = 0;
  let paused = false;
  let draining = false;
  let lingerTimer: NodeJS.Timeout | undefined;

  const canSend = () =>
    gate.open && !paused && queue.size > 0 && inFlight < limit.value && !aborted.signal.aborted;

  function pump(): void {
    clearTimeout(lingerTimer);
    while (canSend()) {
      const waitMs = queue.full || draining ? 0 : lingerMs - performance.now() + queue.oldestMs;
      if (waitMs > 0) {
        lingerTimer = setTimeout(pump, waitMs);
        break;
      }
      void send(queue.takeBatch());
    }
    if (queue.size < highWater) roomWakeup.wake();
    if (inFlight === 0) idleWakeup.wake();
  }

  /** One batch, to the end of it; resolves to whether the bus took any of it (or nothing waited). */
  async function send(batch: readonly PendingEvent[]): Promise<boolean> {
    if (batch.length === 0) return true;
    inFlight += 1;
    try {
      return await deliver(batch);
    } finally {
      inFlight -= 1;
      pump();
    }
  }

  async function deliver(batch: readonly PendingEvent[]): Promise<boolean> {
    const startedMs = performance.now();
    let outcomes: readonly PutOutcome[];
    for (const pending of batch) pending.attempts += 1;
    try {
      outcomes = await bus.put(
        batch.map(({ entry }) => entry),
        aborted.signal,
      );
    } catch (thrown) {
      if (aborted.signal.aborted) return false;
      return callFailed(batch, coerceError(thrown), startedMs);
    }
    options.onCall?.(batch.length, performance.now() - startedMs);
    return settle(batch, outcomes, startedMs);
  }

  /** The call failed as a whole. */
  async function callFailed(
    batch: readonly PendingEvent[],
    error: Error,
    startedMs: number,
  ): Promise<boolean> {
    const kind = error instanceof BridgeError ? error.kind : 'retry';
    const code = error instanceof BridgeError ? error.code : 'unexpected_error';
    const [only] = batch;
    if (kind === 'reject' && only !== undefined && batch.length === 1) {
      refuse(only, { code, message: error.message });
      return true;
    }
    if (kind === 'reject') {
      const middle = Math.ceil(batch.length / 2);
      const first = await deliver(batch.slice(0, middle));
      return (await deliver(batch.slice(middle))) || first;
    }

    const throttled = isThrottled(code, error);
    if (throttled) limit.throttled(startedMs);
    const own = only !== undefined && !throttled && gate.open && blame.isToBlame(only);
    noteFailure(error, kind, undefined);
    const afterMs = error instanceof UpstreamError ? error.retryAfterMs : undefined;
    for (const pending of batch) {
      if (!throttled && gate.open) pending.alone = blame.isSuspect(pending);
      repeat(pending, { code, message: error.message }, own, afterMs);
    }
    return false;
  }

  /** The call came back with an outcome for each entry. */
  function settle(
    batch: readonly PendingEvent[],
    outcomes: readonly PutOutcome[],
    startedMs: number,
  ): boolean {
    const accepted = batch.filter((_, index) => outcomes[index]?.accepted === true);
    if (accepted.length > 0) {
      blame.accepted();
      limit.succeeded();
      onAccepted(accepted.map(({ event }) => event));
      if (accepted.length === batch.length) return true;
    }
    // Where no entry of several was accepted, the bus is as likely to blame as the entries.
    const mayBeOwn = gate.open && (accepted.length > 0 || batch.length === 1);
    // What we may not do with others we could; so it is this entry that we may not publish.
    const isBarred = (pending: PendingEvent) =>
      gate.open && (accepted.length > 0 || blame.othersPassed(pending));
    let systemic: Refused | undefined;
    let waits: Refused | undefined;
    for (const [index, pending] of batch.entries()) {
      const outcome = outcomes[index] ?? MISSING_OUTCOME;
      if (outcome.accepted) continue;
      if (outcome.kind === 'reject') {
        refuse(pending, outcome);
        continue;
      }
      if (outcome.kind === 'systemic' && isBarred(pending)) {
        repeat(pending, outcome, true, undefined);
        continue;
      }
      waits = outcome;
      if (outcome.kind === 'systemic') systemic = outcome;
      const throttled = isThrottled(outcome.code);
      if (throttled) limit.throttled(startedMs);
      if (!throttled && gate.open) pending.alone = blame.isSuspect(pending);
      repeat(pending, outcome, mayBeOwn && outcome.kind === 'retry' && !throttled, undefined);
    }
    if (accepted.length > 0 || waits === undefined) return true;
    const { code, kind } = systemic ?? waits;
    const error = new BridgeError(waits.message, { code, kind });
    noteFailure(error, kind, batch.length === 1 ? batch[0] : undefined);
    return false;
  }

  /** Nothing of a call was accepted. */
  function noteFailure(error: Error, kind: FailureKind, only: PendingEvent | undefined): void {
    const isOutage = blame.failed(only);
    if (kind === 'systemic' || (isOutage && gate.open)) gate.close(error);
  }

  function refuse(
    { event, entry, attempts, retries }: PendingEvent,
    { code, message }: Reason,
  ): void {
    onRefused({ event, entry, attempts, retries, code, message });
  }

  function repeat(
    pending: PendingEvent,
    why: Reason,
    own: boolean,
    afterMs: number | undefined,
  ): void {
    // While the gate is closed it sets the pace, and nothing is held against an event.
    if (own) pending.retries += 1;
    else if (gate.open) pending.callFailures += 1;
    if (pending.retries > retry.maxRetries) {
      pending.retries = retry.maxRetries;
      refuse(pending, why);
      return;
    }
    options.onRetry?.(why.code);
    pending.lastFailedAtMs = performance.now();
    const failures = gate.open ? Math.max(pending.retries, pending.callFailures) : 1;
    const delayMs = afterMs ?? fullJitterMs(retry, failures, random);
    queue.delay(pending, Math.min(delayMs, retry.capMs));
  }

  return {
    add(event, entry) {
      const entryBytes = bus.bytesOf(entry);
      const pending = createPendingEvent({
        event,
        entry,
        entryBytes,
        queuedAtMs: performance.now(),
      });
      if (entryBytes > bus.maxBytes) {
        refuse(pending, {
          code: 'entry_too_large',
          message: `The entry has ${entryBytes} bytes; the bus takes at most ${bus.maxBytes}`,
        });
        return;
      }
      queue.add(pending);
      if (queue.full || queue.size === 1) pump();
    },
    get room() {
      return queue.size < highWater;
    },
    async whenRoom(signal) {
      while (queue.size >= highWater) await roomWakeup.wait(signal);
    },
    get inFlight() {
      return inFlight;
    },
    get inFlightLimit() {
      return limit.value;
    },
    get waiting() {
      return queue.size;
    },
    get delayed() {
      return queue.delayed;
    },
    get open() {
      return gate.open;
    },
    get paused() {
      return paused;
    },
    pause() {
      paused = true;
      // A drain that waits for a call to start has nothing to wait for now.
      pump();
    },
    resume() {
      paused = false;
      pump();
    },
    run: (signal) => gate.run(signal),
    async drain(signal) {
      draining = true;
      pump();
      const isBusy = () => inFlight > 0 || canSend();
      while (isBusy()) await idleWakeup.wait(signal);
    },
    stop() {
      aborted.abort(new Error('The publisher was stopped'));
      clearTimeout(lingerTimer);
      queue.stop();
    },
  };
}

type Reason = Pick<Refusal, 'code' | 'message'>;
type Refused = Extract<PutOutcome, { accepted: false }>;

const MISSING_OUTCOME: Refused = {
  accepted: false,
  code: 'missing_outcome',
  message: 'The bus did not say what became of this entry',
  kind: 'retry',
};

function isThrottled(code: string, error?: Error): boolean {
  return (
    /throttl|too_?many/i.test(code) || (error instanceof UpstreamError && error.status === 429)
  );
}
