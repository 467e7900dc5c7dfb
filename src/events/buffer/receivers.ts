import { coerceError } from '../../errors.ts';
import type { Availability } from '../../lib/health/availability.ts';
import { fullJitterMs, type Sleep } from '../../lib/retry.ts';
import type { Wakeup } from '../../lib/wakeup.ts';
import type { EventBuffer, HeldMessage } from '../ports.ts';

export interface ReceiversOptions {
  readonly buffer: Pick<EventBuffer, 'hold' | 'checkHolding'>;
  /** Of the buffer. */
  readonly availability: Availability;
  /** How long an event is held, in seconds. */
  readonly holdSeconds: number;
  /** How many may be held now. */
  readonly room: () => number;
  /** Whether events could go on to the bus now. */
  readonly canPublish: () => boolean;
  /** While they could not, others may be able to. */
  readonly giveBackIdle: () => Promise<void>;
  /** Held since `heldAtMs`, milliseconds since the epoch. */
  readonly onHeld: (messages: readonly HeldMessage[], heldAtMs: number) => void;
  /** There may be room again. */
  readonly more: Wakeup;
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

/** What SQS gives in one call. */
const PER_CALL = 10;
/** Receives at once while the buffer fills them. */
const RECEIVERS = 4;
const WAIT_SECONDS = 20;
/** How often it is looked whether there is room or a bus again, in milliseconds. */
const LOOK_MS = 200;

/** Holds messages of the buffer for as long as there is room for them, until the signal aborts. */
export async function receiveMessages(
  options: ReceiversOptions,
  signal: AbortSignal,
): Promise<never> {
  const { buffer, availability, holdSeconds, room, canPublish, giveBackIdle, onHeld } = options;
  const { more, backOff, sleep } = options;
  const failed = new AbortController();
  const until = AbortSignal.any([signal, failed.signal]);
  /** The last receive was full: there are more. */
  let flowing = false;
  let checked = false;

  async function check(): Promise<void> {
    await buffer.checkHolding(until);
    availability.up();
    checked = true;
  }

  async function receive(waitSeconds: number): Promise<void> {
    const atMs = Date.now();
    const max = Math.min(PER_CALL, room());
    const messages = await buffer.hold({ max, seconds: holdSeconds, waitSeconds }, until);
    availability.up();
    flowing = messages.length === PER_CALL;
    onHeld(messages, atMs);
  }

  async function receiveAll(isFirst: boolean): Promise<never> {
    let failures = 0;
    for (;;) {
      until.throwIfAborted();
      if (!canPublish()) await giveBackIdle();
      if (!canPublish() || room() <= 0 || (!isFirst && !flowing)) {
        await more.wait(until, LOOK_MS);
        continue;
      }
      try {
        // A call that waits for the first event says late that the buffer is there.
        if (!checked) await check();
        await receive(isFirst ? WAIT_SECONDS : 0);
        failures = 0;
      } catch (error) {
        until.throwIfAborted();
        failures += 1;
        flowing = false;
        checked = false;
        availability.down(coerceError(error), 'nothing can be taken from it');
        await sleep(fullJitterMs(backOff, failures), until);
      }
    }
  }

  const receivers = Array.from({ length: RECEIVERS }, (_, index) => receiveAll(index === 0));
  try {
    return await Promise.race(receivers);
  } finally {
    failed.abort(new Error('A receiver ended'));
    await Promise.allSettled(receivers);
  }
}
