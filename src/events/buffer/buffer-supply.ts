import { createFifo, type Fifo } from '../../lib/fifo.ts';
import type { Availability } from '../../lib/health/availability.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Sleep } from '../../lib/retry.ts';
import { createWakeup } from '../../lib/wakeup.ts';
import { letterOfItem } from '../dead-letters/letter.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { EventBuffer, HeldMessage } from '../ports.ts';
import type { EventSupply, TakenEvent } from '../taken-event.ts';
import type { PipelineCounts, PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { HoldCounts } from './buffer-counts.ts';
import type { Holds } from './holds.ts';
import type { LetterOutbox } from './letter-outbox.ts';
import { type ReadMessage, readMessage } from './read-message.ts';
import { receiveMessages } from './receivers.ts';
import { createSuspects, SUSPECT_FROM_HOLDS } from './suspects.ts';

export interface BufferSupplyOptions {
  readonly buffer: Pick<EventBuffer, 'hold' | 'checkHolding'>;
  /** Of the buffer. */
  readonly availability: Availability;
  readonly holds: Holds;
  readonly letters: Pick<LetterOutbox, 'add' | 'full'>;
  readonly pipeline: Pick<Pipeline, 'filter'>;
  readonly counts: HoldCounts;
  readonly stats: PipelineStats;
  readonly log: Logger;
  /** How long an event is held, in seconds. */
  readonly holdSeconds: number;
  /** An event that has been held so often is given up. */
  readonly maxHolds: number;
  /** Events in memory at once, from here until they are settled. */
  readonly maxEvents: number;
  /** Whether events could go on to the bus now; otherwise they are better with others. */
  readonly canPublish: () => boolean;
  /** Takes back what waits for the bus but the first `keep` of it. */
  readonly withdraw: (keep: number) => readonly TakenEvent[];
  readonly backOff: { readonly baseMs: number; readonly capMs: number };
  readonly sleep: Sleep;
}

/** The events of the shared buffer that this process has taken upon itself. */
export interface BufferSupply extends EventSupply {
  run(signal: AbortSignal): Promise<never>;
  /** Its letter is sent, or its event given back. */
  letterGone(receipt: string): void;
  /** Gives back all that is in memory and not settled. */
  giveBackAll(signal: AbortSignal): Promise<void>;
  readonly inMemory: number;
  /** Age of what was held last when it was held, in milliseconds. */
  readonly ageMs: number;
}

/** JSON text in memory, in UTF-16 units. */
const MAX_SIZE = 16 * 1024 * 1024;
/** A suspect is worked on alone; how often it is looked whether it would be, in milliseconds. */
const ALONE_LOOK_MS = 10;
/** While the bus is away so many events stay to probe it with; the others are given back. */
const PROBE_EVENTS = 10;

/** Of a message that is given up unseen. */
const NO_SEQ = 0;

interface Held {
  readonly receipt: string;
  readonly event: TakenEvent;
}

export function createBufferSupply(options: BufferSupplyOptions): BufferSupply {
  const { holds, letters, pipeline, counts, stats, log, maxHolds, maxEvents, withdraw } = options;
  const events = createFifo<TakenEvent>();
  const suspects = createSuspects();
  const held = new Map<number, Held>();
  const seqOfLetter = new Map<string, number>();
  const more = createWakeup();
  let lastSeq = 0;
  let size = 0;
  let alone: TakenEvent | undefined;
  let ageMs = 0;

  /** Of what is held: what is not given up, settled or not. What is settled stays until SQS says so. */
  const inWork = () => Math.max(held.size, holds.size) - seqOfLetter.size;
  /** A suspect is waited for: its company would come to harm with it. */
  const isFull = () => size >= MAX_SIZE || letters.full || suspects.size > 0 || alone !== undefined;
  /** What cannot be settled counts too: without end, it would be published and kept in mind. */
  const room = () => (isFull() ? 0 : maxEvents - Math.max(held.size, holds.size));

  function forget({ seq, size: eventSize }: TakenEvent): string | undefined {
    const receipt = held.get(seq)?.receipt;
    if (held.delete(seq)) size -= eventSize;
    if (alone?.seq === seq) alone = undefined;
    return receipt;
  }

  function accept(message: HeldMessage): void {
    const read = readMessage(message, { pipeline, maxHolds });
    countRead(read, stats.counts, counts);
    if (read.to === 'leave') {
      holds.settle([message.receipt]);
      return;
    }
    if (read.to === 'letter') {
      const { original, eventId, code } = read;
      log.error({ eventId, code, holds: message.holds }, 'An event was given up unseen');
      seqOfLetter.set(message.receipt, NO_SEQ);
      letters.add(letterOfItem(original, eventId, read, message.bufferedAtMs), message.receipt);
      return;
    }
    const { eventId, takenAtMs, raw } = read;
    lastSeq += 1;
    const { size: eventSize } = message;
    const event = { seq: lastSeq, eventId, raw, takenAtMs, size: eventSize, isReplayed: false };
    held.set(event.seq, { receipt: message.receipt, event });
    size += eventSize;
    if (message.holds >= SUSPECT_FROM_HOLDS) suspects.add(event, message.holds);
    else events.push(event);
  }

  /** While nothing can be published, others may be able to. */
  async function giveBackIdle(): Promise<void> {
    await giveBack([...allOf(events), ...suspects.takeAll(), ...withdraw(PROBE_EVENTS)]);
  }

  function giveBack(given: readonly TakenEvent[], signal?: AbortSignal): Promise<void> {
    const receipts = given.flatMap((event) => forget(event) ?? []);
    return holds.giveBack(receipts, 0, signal);
  }

  return {
    next() {
      const event = events.shift();
      if (event !== undefined) return event;
      if (alone !== undefined || inWork() > suspects.size) return undefined;
      alone = suspects.next();
      return alone;
    },
    // That all others are settled is nobody's news.
    whenNext: (signal) => more.wait(signal, suspects.size > 0 ? ALONE_LOOK_MS : undefined),
    settle(settled) {
      const receipts = settled.flatMap((event) => forget(event) ?? []);
      holds.settle(receipts, suspects.size > 0);
      more.wake();
    },
    giveUp(event, letter) {
      const receipt = held.get(event.seq)?.receipt;
      if (receipt === undefined) return;
      seqOfLetter.set(receipt, event.seq);
      if (alone?.seq === event.seq) alone = undefined;
      letters.add(letter, receipt);
      more.wake();
    },
    letterGone(receipt) {
      const seq = seqOfLetter.get(receipt);
      seqOfLetter.delete(receipt);
      const event = seq === undefined ? undefined : held.get(seq)?.event;
      if (event !== undefined) forget(event);
      more.wake();
    },
    get waiting() {
      return events.size + suspects.size;
    },
    run: (signal) =>
      receiveMessages(
        {
          ...options,
          room,
          giveBackIdle,
          onHeld(messages, heldAtMs) {
            holds.begin(messages, heldAtMs);
            for (const message of messages) accept(message);
            const last = messages.at(-1);
            if (last !== undefined) ageMs = Math.max(0, Date.now() - last.bufferedAtMs);
            more.wake();
          },
          more,
        },
        signal,
      ),
    giveBackAll: (signal) => giveBack(Array.from(held.values(), eventOf), signal),
    get inMemory() {
      return held.size;
    },
    get ageMs() {
      return ageMs;
    },
  };
}

function countRead(read: ReadMessage, counts: PipelineCounts, holdCounts: HoldCounts): void {
  if (read.to === 'letter') {
    counts.failed += 1;
    if (read.code === 'poisoned') holdCounts.poisoned += 1;
    if (read.code === 'malformed_message') holdCounts.unreadable += 1;
  } else if (read.to === 'leave') {
    counts.received += 1;
    counts.filteredOut += 1;
  } else if (read.isNew) {
    counts.received += 1;
    counts.ingested += 1;
    if (read.isUnidentified) counts.unidentified += 1;
  }
}

const eventOf = ({ event }: Held) => event;

function* allOf(fifo: Fifo<TakenEvent>): Generator<TakenEvent> {
  for (let event = fifo.shift(); event !== undefined; event = fifo.shift()) yield event;
}
