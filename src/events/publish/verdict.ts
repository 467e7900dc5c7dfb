import { BridgeError, UpstreamError } from '../../errors.ts';
import type { PutOutcome, RefusalCause } from '../ports.ts';
import type { BarredGroup } from './barred-groups.ts';
import type { PendingEvent } from './pending-event.ts';

/** What the verdict on an entry depends on, beside the answer. */
export type EntryFacts = Pick<
  PendingEvent<unknown>,
  'event' | 'group' | 'alone' | 'retries' | 'callFailures' | 'lastFailedAtMs'
>;

/** What is known of the bus, from before the call. */
export interface BusFacts {
  /** While the gate is closed it sets the pace, and nothing is held against an event. */
  readonly open: boolean;
  /** Retries of an entry for errors of its own. */
  readonly maxRetries: number;
  readonly acceptedMs: number;
  readonly failedMs: number;
  /** What is known of the entry's group. */
  barred(group: string): BarredGroup | undefined;
}

export type Verdict =
  | { readonly to: 'accept' }
  | {
      readonly to: 'refuse';
      readonly code: string;
      readonly message: string;
      readonly cause: RefusalCause;
      readonly barred?: boolean | undefined;
    }
  | {
      readonly to: 'repeat';
      readonly code: string;
      /** The bus does not let us publish this entry, whatever becomes of others. */
      readonly barred?: boolean | undefined;
      /** The failure is the entry's own and uses up a retry. */
      readonly own: boolean;
      /** Goes first again: the bus would have taken it at a slower pace. */
      readonly throttled?: boolean | undefined;
      /** The call's failure counts for the entry, which may be what makes calls fail. */
      readonly suspected: boolean;
      /** Has to go without company, so that its failures are its own. */
      readonly alone: boolean;
      /** For the back-off, at least 1. */
      readonly failures: number;
    };

export interface Judgement {
  /** One for each entry, in their order; `split`: the call was refused because of one of them. */
  readonly entries: readonly Verdict[] | 'split';
  readonly throttled: boolean;
  /** What the bus asked us to wait before the next call, in milliseconds. */
  readonly waitMs: number | undefined;
  /** Nothing was accepted, and more than its entries may be to blame. */
  readonly failure: BridgeError | undefined;
}

const SUSPECT_AFTER = 3;
/** After so many failures it is to blame even if others fail now and then. */
const GUILTY_AFTER = 20;
const ACCEPT: Verdict = { to: 'accept' };

type Refused = Extract<PutOutcome, { accepted: false }>;

const MISSING_OUTCOME: Refused = {
  accepted: false,
  code: 'missing_outcome',
  message: 'The bus did not say what became of this entry',
  kind: 'retry',
  throttled: false,
};

/** What becomes of the entries of one call, and what it says about the bus; changes nothing. */
export function judge(
  batch: readonly EntryFacts[],
  answer: readonly PutOutcome[] | Error,
  bus: BusFacts,
): Judgement {
  return answer instanceof Error
    ? judgeFailedCall(batch, answer, bus)
    : judgeOutcomes(batch, answer, bus);
}

/** The call failed as a whole. */
function judgeFailedCall(batch: readonly EntryFacts[], error: Error, bus: BusFacts): Judgement {
  const failure = asBridgeError(error);
  const { code, kind, message } = failure;
  const upstream = error instanceof UpstreamError ? error : undefined;
  const throttled = upstream?.throttled === true;
  if (kind === 'reject') {
    const entries = batch.length > 1 ? 'split' : batch.map(() => refuse(code, message, 'entry'));
    return { entries, throttled, waitMs: undefined, failure: undefined };
  }
  // A systemic failure closes the gate: nothing is held against an event.
  const counts = bus.open && kind !== 'systemic';
  const entries = batch.map((entry) => {
    if (throttled) return repeatThrottled(entry, failure, bus);
    const own = batch.length === 1 && bus.open && isToBlame(entry, bus);
    const alone = counts ? isSuspect(entry) : entry.alone;
    return repeat(entry, failure, bus, { own, suspected: counts && !own, alone });
  });
  return { entries, throttled, waitMs: upstream?.retryAfterMs, failure };
}

/** The call came back with an outcome for each entry. */
function judgeOutcomes(
  batch: readonly EntryFacts[],
  outcomes: readonly PutOutcome[],
  bus: BusFacts,
): Judgement {
  const someAccepted = batch.some((_, index) => outcomes[index]?.accepted === true);
  // Where no entry of several was accepted, the bus is as likely to blame as the entries.
  const mayBeOwn = bus.open && (someAccepted || batch.length === 1);
  let throttled = false;
  let waits: Refused | undefined;
  const entries = batch.map((entry, index): Verdict => {
    const outcome = outcomes[index] ?? MISSING_OUTCOME;
    if (outcome.accepted) return ACCEPT;
    const { code, kind, message } = outcome;
    if (kind === 'reject') return refuse(code, message, outcome.fault);
    const barred = kind === 'systemic';
    // What we may not do with others we could; so it is this entry that we may not publish.
    if (barred && bus.open && (someAccepted || othersPassed(entry, bus))) {
      if (bus.barred(entry.group)?.condemned === true) return refuse(code, message, 'bus', barred);
      const how = { own: true, suspected: false, alone: entry.alone, barred };
      return repeat(entry, outcome, bus, how);
    }
    if (waits?.kind !== 'systemic') waits = outcome;
    if (outcome.throttled) {
      throttled = true;
      return repeatThrottled(entry, outcome, bus);
    }
    const own = mayBeOwn && kind === 'retry';
    const alone = bus.open ? isSuspect(entry) : entry.alone;
    return repeat(entry, outcome, bus, { own, suspected: bus.open && !own, alone, barred });
  });
  const failure =
    someAccepted || waits === undefined ? undefined : new BridgeError(waits.message, waits);
  return { entries, throttled, waitMs: undefined, failure };
}

function refuse(code: string, message: string, cause: RefusalCause, barred?: boolean): Verdict {
  return { to: 'refuse', code, message, cause, barred };
}

function repeat(
  entry: EntryFacts,
  { code, message }: Pick<Refused, 'code' | 'message'>,
  bus: BusFacts,
  how: {
    readonly own: boolean;
    readonly suspected: boolean;
    readonly alone: boolean;
    readonly barred?: boolean;
    readonly throttled?: boolean;
  },
): Verdict {
  if (how.own && entry.retries >= bus.maxRetries) {
    return refuse(code, message, 'retries', how.barred);
  }
  const retries = entry.retries + (how.own ? 1 : 0);
  const callFailures = entry.callFailures + (how.suspected ? 1 : 0);
  const failures = bus.open ? Math.max(1, retries, callFailures) : 1;
  return { to: 'repeat', code, ...how, failures };
}

/** Throttling is nobody's fault and says nothing about an entry. */
function repeatThrottled(
  entry: EntryFacts,
  refusal: Pick<Refused, 'code' | 'message'>,
  bus: BusFacts,
): Verdict {
  const how = { own: false, suspected: false, alone: entry.alone, throttled: true };
  return repeat(entry, refusal, bus, how);
}

/** It was alone, and since it failed before others came through. */
function isToBlame({ alone, lastFailedAtMs, callFailures }: EntryFacts, bus: BusFacts): boolean {
  if (!alone || bus.acceptedMs <= lastFailedAtMs) return false;
  return bus.failedMs <= lastFailedAtMs || callFailures >= GUILTY_AFTER;
}

/**
 * It, or one like it, failed before, and since then others came through. A letter that is replayed
 * proves nothing about the bus either way: it goes back to where it came from.
 */
function othersPassed({ event, group, lastFailedAtMs }: EntryFacts, bus: BusFacts): boolean {
  if (event.isReplayed) return true;
  const { sinceMs = Infinity } = bus.barred(group) ?? {};
  return (lastFailedAtMs > 0 && bus.acceptedMs > lastFailedAtMs) || bus.acceptedMs > sinceMs;
}

function isSuspect({ alone, callFailures }: EntryFacts): boolean {
  return alone || callFailures >= SUSPECT_AFTER;
}

function asBridgeError(error: Error): BridgeError {
  if (error instanceof BridgeError) return error;
  const { message } = error;
  return new BridgeError(message, { code: 'unexpected_error', kind: 'retry', cause: error });
}
