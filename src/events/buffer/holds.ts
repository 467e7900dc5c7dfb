import { coerceError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import type { Sleep } from '../../lib/retry.ts';
import type { BufferOutcomes, EventBuffer, HeldMessage } from '../ports.ts';
import type { HoldCounts } from './buffer-counts.ts';
import { createSettler } from './settler.ts';

export interface HoldsOptions {
  readonly buffer: Pick<EventBuffer, 'settle' | 'keep' | 'giveBack'>;
  /** Of the buffer. */
  readonly availability: Availability;
  readonly counts: HoldCounts;
  /** How long a hold lasts; it is renewed when half of that is left. */
  readonly seconds: number;
  /** Between two tries while the buffer cannot be reached, in milliseconds. */
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

/** What this process holds of the buffer: renewed until it is settled or given back. */
export interface Holds {
  begin(messages: readonly HeldMessage[], heldAtMs: number): void;
  /**
   * These leave the buffer, soon and in full calls or at once; tried until it is done or the hold has
   * ended.
   */
  settle(receipts: readonly string[], atOnce?: boolean): void;
  /** Others may have these, after `delaySeconds`. What cannot be given back comes back by itself. */
  giveBack(receipts: readonly string[], delaySeconds: number, signal?: AbortSignal): Promise<void>;
  /** Settles and renews, until the signal aborts. */
  run(signal: AbortSignal): Promise<never>;
  /** Resolves when nothing waits to be settled. */
  drain(signal: AbortSignal): Promise<void>;
  readonly size: number;
}

export function createHolds(options: HoldsOptions): Holds {
  const { buffer, availability, counts, seconds, backOff, sleep } = options;
  /** When each hold ends, milliseconds since the epoch; receipts that are kept and not lost yet. */
  const endsAtMs = new Map<string, number>();
  const settler = createSettler({ settle: settleSome, backOff, sleep });

  /** The ones that failed as a passing thing; the end of a hold is counted once and final. */
  function passingFailures(receipts: readonly string[], outcomes: BufferOutcomes): string[] {
    return receipts.filter((receipt, index) => {
      const error = outcomes[index];
      if (error === undefined || !hasEnded(error)) return error !== undefined;
      if (endsAtMs.delete(receipt)) counts.ended += 1;
      return false;
    });
  }

  /** SQS lets an old receipt delete what somebody else has deleted already: the clock tells then. */
  function settled(receipt: string): void {
    const endMs = endsAtMs.get(receipt);
    if (endMs !== undefined && endMs < Date.now()) counts.ended += 1;
    endsAtMs.delete(receipt);
  }

  async function settleSome(
    receipts: readonly string[],
    signal: AbortSignal,
  ): Promise<readonly string[]> {
    try {
      const outcomes = await buffer.settle(receipts, signal);
      const again = passingFailures(receipts, outcomes);
      const failed = new Set(again);
      for (const receipt of receipts) if (!failed.has(receipt)) settled(receipt);
      noteOutcomes(outcomes);
      return again;
    } catch (error) {
      noteFailure(error);
      return receipts;
    }
  }

  function noteOutcomes(outcomes: BufferOutcomes): void {
    const failure = outcomes.find((error) => error !== undefined && !hasEnded(error));
    if (failure !== undefined) noteFailure(failure);
  }

  function noteFailure(error: unknown): void {
    availability.down(coerceError(error), 'what was published may be published again');
  }

  async function renewAll(signal: AbortSignal): Promise<never> {
    for (;;) {
      await sleep((seconds * 1000) / 4, signal);
      const dueMs = Date.now() + (seconds * 1000) / 2;
      const due = [...endsAtMs].flatMap(([receipt, endMs]) => (endMs < dueMs ? [receipt] : []));
      if (due.length > 0) await renew(due, signal);
    }
  }

  async function renew(receipts: readonly string[], signal: AbortSignal): Promise<void> {
    const atMs = Date.now();
    try {
      const outcomes = await buffer.keep(receipts, seconds, signal);
      const failed = new Set(passingFailures(receipts, outcomes));
      for (const receipt of receipts) {
        // It may have been settled meanwhile.
        if (!failed.has(receipt) && endsAtMs.has(receipt)) {
          endsAtMs.set(receipt, atMs + seconds * 1000);
        }
      }
      noteOutcomes(outcomes);
    } catch (error) {
      signal.throwIfAborted();
      noteFailure(error);
    }
  }

  return {
    begin(messages, heldAtMs) {
      counts.held += messages.length;
      for (const { receipt } of messages) endsAtMs.set(receipt, heldAtMs + seconds * 1000);
    },
    settle: (receipts, atOnce) => settler.add(receipts, atOnce),
    async giveBack(receipts, delaySeconds, signal) {
      counts.givenBack += receipts.length;
      for (const receipt of receipts) endsAtMs.delete(receipt);
      if (receipts.length === 0) return;
      await buffer.giveBack(receipts, delaySeconds, signal).catch(noteFailure);
    },
    async run(signal) {
      const failed = new AbortController();
      const until = AbortSignal.any([signal, failed.signal]);
      const loops = [settler.run(until), renewAll(until)];
      try {
        return await Promise.race(loops);
      } finally {
        failed.abort(new Error('A loop ended'));
        await Promise.allSettled(loops);
      }
    },
    drain: (signal) => settler.drain(signal),
    get size() {
      return endsAtMs.size;
    },
  };
}

function hasEnded(error: Error): boolean {
  return 'code' in error && error.code === 'buffer_hold_ended';
}
