import { coerceError } from '../../errors.ts';
import { type Logger, payloadFacts } from '../../lib/logger.ts';
import { fullJitterMs } from '../../lib/retry.ts';
import type { BusEntry, Outlet, PutOutcome, RefusalCause } from '../ports.ts';
import type { TakenEvent } from '../taken-event.ts';
import type { PipelineStats } from '../telemetry/pipeline-stats.ts';
import type { BarredGroups } from './barred-groups.ts';
import type { BusGate } from './bus-gate.ts';
import { createBusHistory } from './bus-history.ts';
import type { BusPace } from './bus-pace.ts';
import type { PendingEvent } from './pending-event.ts';
import type { PublishQueue } from './publish-queue.ts';
import { type Judgement, judge, type Verdict } from './verdict.ts';

/** An event that cannot be published, and why. */
export interface Refusal<Entry = BusEntry> {
  readonly event: TakenEvent;
  readonly entry: Entry;
  /** How often it was sent to the bus. */
  readonly attempts: number;
  /** How many retries its own errors used up. */
  readonly retries: number;
  readonly code: string;
  readonly message: string;
  readonly cause: RefusalCause;
}

export interface DeliveryOptions<Entry> {
  readonly bus: Pick<Outlet<Entry>, 'put'>;
  readonly gate: Pick<BusGate, 'open' | 'close' | 'hold'>;
  readonly pace: Pick<BusPace, 'accepted' | 'throttled'>;
  readonly barred: BarredGroups;
  /** Takes what is to be sent again. */
  readonly queue: Pick<PublishQueue<Entry>, 'delay' | 'putBack'>;
  readonly retry: {
    /** Retries of an entry for errors of its own. */
    readonly maxRetries: number;
    readonly baseMs: number;
    readonly capMs: number;
  };
  readonly onAccepted: (events: readonly TakenEvent[]) => void;
  readonly onRefused: (refusal: Refusal<Entry>) => void;
  readonly stats: PipelineStats;
  readonly log?: Logger | undefined;
  readonly random?: (() => number) | undefined;
  /** Ends calls; what they carried is neither accepted nor refused nor repeated. */
  readonly signal: AbortSignal;
}

/** Sends one batch and settles its entries; whether the bus took any, or only entries were to blame. */
export type Deliver<Entry> = (batch: readonly PendingEvent<Entry>[]) => Promise<boolean>;

export function createDelivery<Entry>(options: DeliveryOptions<Entry>): Deliver<Entry> {
  const { bus, gate, pace, queue, barred, retry, stats, random, signal } = options;
  const { onAccepted, onRefused, log } = options;
  const history = createBusHistory();

  async function deliver(batch: readonly PendingEvent<Entry>[]): Promise<boolean> {
    const startedMs = performance.now();
    for (const pending of batch) pending.attempts += 1;
    const answer = await call(batch);
    if (answer === undefined) return false;
    if (!(answer instanceof Error)) {
      stats.counts.busCalls += 1;
      stats.counts.busEntries += batch.length;
      stats.spent('publish', performance.now() - startedMs, batch.length);
    }

    const judgement = judge(batch, answer, {
      open: gate.open,
      maxRetries: retry.maxRetries,
      acceptedMs: history.acceptedMs,
      failedMs: history.failedMs,
      barred: (group) => barred.find(group),
    });
    const { entries, failure } = judgement;
    if (log?.isLevelEnabled('debug') === true) {
      logBatch(log, batch, judgement, performance.now() - startedMs);
    }
    if (entries === 'split') {
      const middle = Math.ceil(batch.length / 2);
      const first = await deliver(batch.slice(0, middle));
      return (await deliver(batch.slice(middle))) || first;
    }
    const accepted = batch.filter((_, index) => entries[index]?.to === 'accept');
    if (accepted.length > 0) {
      history.accepted();
      pace.accepted();
      barred.passed(accepted);
      onAccepted(accepted.map(({ event }) => event));
    }
    if (accepted.length === batch.length) return true;
    // Where each entry had an answer of its own, a single one may fail again and again.
    const only = answer instanceof Error || batch.length > 1 ? undefined : batch[0];
    for (const [index, { group }] of batch.entries()) {
      noteBarred(group, entries[index], startedMs);
    }
    noteBus(judgement, only);
    for (const [index, pending] of batch.entries()) settle(pending, entries[index]);
    queue.putBack(batch.filter((_, index) => isThrottled(entries[index])));
    return failure === undefined;
  }

  /** `undefined`: ended by the signal. */
  async function call(
    batch: readonly PendingEvent<Entry>[],
  ): Promise<readonly PutOutcome[] | Error | undefined> {
    try {
      const entries = batch.map(({ entry }) => entry);
      return await bus.put(entries, signal);
    } catch (thrown) {
      return signal.aborted ? undefined : coerceError(thrown);
    }
  }

  /** Before the entries are settled: what is noted of them is later than what is noted of the bus. */
  function noteBus(
    { entries, throttled, waitMs, failure }: Judgement,
    only: PendingEvent<Entry> | undefined,
  ): void {
    if (throttled) pace.throttled();
    if (failure === undefined) return;
    const isOutage = history.failed(only);
    const isBarred = entries !== 'split' && entries.some(isBarring);
    if (failure.kind === 'systemic' || (isOutage && gate.open)) gate.close(failure, isBarred);
    if (waitMs !== undefined) gate.hold(failure, waitMs);
  }

  function noteBarred(group: string, verdict: Verdict | undefined, startedMs: number): void {
    if (verdict === undefined || !isBarring(verdict)) return;
    barred.bar(group, startedMs);
    if (verdict.to !== 'refuse') return;
    // Of a letter that goes back nothing may have shown that the bus takes any.
    const { sinceMs = Infinity } = barred.find(group) ?? {};
    if (history.acceptedMs > sinceMs) barred.condemn(group);
  }

  function settle(pending: PendingEvent<Entry>, verdict: Verdict | undefined): void {
    if (verdict?.to === 'refuse') {
      const { event, entry, attempts, retries } = pending;
      const { code, message, cause } = verdict;
      onRefused({ event, entry, attempts, retries, code, message, cause });
    }
    if (verdict?.to !== 'repeat') return;
    const { code, own, suspected, alone, failures, throttled } = verdict;
    if (own) pending.retries += 1;
    if (suspected) pending.callFailures += 1;
    pending.alone = alone;
    pending.lastFailedAtMs = performance.now();
    stats.retried(code);
    if (throttled !== true) queue.delay(pending, fullJitterMs(retry, failures, random));
  }

  return deliver;
}

function isThrottled(verdict: Verdict | undefined): boolean {
  return verdict?.to === 'repeat' && verdict.throttled === true;
}

function isBarring(verdict: Verdict): boolean {
  return verdict.to !== 'accept' && verdict.barred === true;
}

function logBatch<Entry>(
  log: Logger,
  batch: readonly PendingEvent<Entry>[],
  { entries, failure }: Judgement,
  ms: number,
): void {
  const count = (to: Verdict['to']) =>
    entries === 'split' ? 0 : entries.filter((verdict) => verdict.to === to).length;
  log.debug(
    {
      eventIds: batch.map(({ event }) => event.eventId),
      accepted: count('accept'),
      refused: count('refuse'),
      repeated: entries === 'split' ? batch.length : count('repeat'),
      reason: failure?.message,
      tookMs: Math.round(ms),
    },
    'Batch to the bus',
  );
  if (!log.isLevelEnabled('trace')) return;
  log.trace(payloadFacts(batch.map(({ entry }) => entry)), 'Entries of the batch');
}
