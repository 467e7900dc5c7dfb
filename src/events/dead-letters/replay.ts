import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetterCounts, DeadLetterQueue, EntryLimits, ReceivedLetter } from '../ports.ts';
import { judgeLetter } from './judge-letter.ts';

export interface ReplayOptions {
  readonly queue: DeadLetterQueue;
  /** In use now, not the one that made the letters. */
  readonly pipeline: Pipeline;
  readonly entryLimits: EntryLimits;
  /** Commits events to the journal; from then on they are as safe as any other. */
  readonly takeAgain: (events: readonly EventToTake[]) => void;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
}

export interface ReplayRequest {
  readonly dryRun: boolean;
  /** Letters looked at, at most. */
  readonly max: number;
}

export interface ReplayReport {
  readonly dryRun: boolean;
  /** What the queue said before the first letter was received. */
  readonly counts: DeadLetterCounts;
  readonly examined: number;
  /** Committed to the journal and deleted from the queue; in a dry run: would be. */
  readonly replayed: number;
  /** They fail in today's pipeline too, or would be too large, and stay in the queue. */
  readonly failedAgain: number;
  /** Letters that hold no event, and messages that are no letters; they stay in the queue. */
  readonly notReplayable: number;
  /** Replayed, but not deleted: they may be replayed twice. */
  readonly notDeleted: number;
  /** `empty`: no more of what was there at its start. `held_back`: a FIFO queue gives no more while those that failed again are before them. */
  readonly endedBy: 'empty' | 'max' | 'held_back' | 'aborted';
  /** The first ones that stay, with the reason. */
  readonly staying: readonly {
    readonly eventId: string | undefined;
    readonly stage: string;
    readonly code: string;
  }[];
}

export interface Replay {
  /**
   * Raw events go through today's pipeline once to see whether they would pass, then into the
   * journal, and from there like any other. A letter is deleted only after its event is committed
   * to the journal. Ends with the letters that were in the queue when it began: what the bus
   * refuses again meanwhile is left for the next one.
   *
   * @throws BridgeError `replay_running`; UpstreamError when the queue fails; `journal_full`,
   *   `journal_cannot_write` or `worker_not_running` when nothing can be taken.
   */
  run(request: ReplayRequest, signal: AbortSignal): Promise<ReplayReport>;
  /** How far the one that is running is. */
  readonly progress: Progress | undefined;
}

export interface Progress {
  readonly startedAt: string;
  readonly dryRun: boolean;
  examined: number;
  replayed: number;
  failedAgain: number;
  notReplayable: number;
}

const BATCH = 50;
const MAX_SHOWN = 20;
const LOG_EVERY_MS = 10_000;
/** Letters that stay are hidden from others until the replay ends, or this long if it dies. */
const VISIBILITY_SECONDS = 300;

export function createReplay(options: ReplayOptions): Replay {
  const { queue, takeAgain, log, now = Date.now } = options;
  const today = { pipeline: options.pipeline, limits: options.entryLimits };
  let progress: Progress | undefined;

  async function replayAll(
    { dryRun, max }: ReplayRequest,
    at: Progress,
    signal: AbortSignal,
  ): Promise<ReplayReport> {
    const beganMs = now();
    const counts = await queue.counts(signal);
    const there = lettersIn(counts);
    const held: string[] = [];
    const staying: { eventId: string | undefined; stage: string; code: string }[] = [];
    let notDeleted = 0;
    let endedBy: ReplayReport['endedBy'] = there <= max ? 'empty' : 'max';
    let loggedMs = beganMs;

    async function replayBatch(letters: readonly ReceivedLetter[]): Promise<void> {
      const accepted: EventToTake[] = [];
      const receipts: string[] = [];
      for (const { receipt, letter } of letters) {
        const verdict = await judgeLetter(letter, today, now());
        at.examined += 1;
        if ('take' in verdict) {
          accepted.push(verdict.take);
          receipts.push(receipt);
          continue;
        }
        at[verdict.stays] += 1;
        held.push(receipt);
        const { stage, code } = verdict;
        if (staying.length < MAX_SHOWN) staying.push({ eventId: letter?.eventId, stage, code });
      }
      if (dryRun || accepted.length === 0) {
        at.replayed += accepted.length;
        held.push(...receipts);
        return;
      }
      try {
        takeAgain(accepted);
      } catch (error) {
        held.push(...receipts);
        throw error;
      }
      at.replayed += accepted.length;
      try {
        await queue.delete(receipts, signal);
      } catch {
        notDeleted += receipts.length;
        log.warn({ letters: receipts.length }, 'Letters were replayed but not deleted');
      }
    }

    try {
      while (at.examined < Math.min(max, there)) {
        if (signal.aborted) {
          endedBy = 'aborted';
          break;
        }
        const letters = await queue.receive(
          {
            max: Math.min(BATCH, max - at.examined, there - at.examined),
            visibilitySeconds: VISIBILITY_SECONDS,
          },
          signal,
        );
        if (letters.length === 0) {
          const left = await queue.counts(signal);
          endedBy = left.visible > 0 && held.length > 0 ? 'held_back' : 'empty';
          break;
        }
        const [old, fresh] = splitAt(letters, beganMs);
        held.push(...fresh.map(({ receipt }) => receipt));
        if (old.length === 0) {
          endedBy = 'empty';
          break;
        }
        await replayBatch(old);
        if (now() - loggedMs < LOG_EVERY_MS) continue;
        loggedMs = now();
        log.info({ ...at, of: counts.visible }, 'Replaying dead letters');
      }
    } finally {
      // With no signal: a caller that has gone must not leave letters hidden.
      if (held.length > 0) {
        await queue.release(held).catch(() => log.warn('Letters stay hidden for some minutes'));
      }
    }
    const { startedAt: _shown, ...numbers } = at;
    return { ...numbers, counts, notDeleted, endedBy, staying };
  }

  return {
    async run(request, signal) {
      if (progress !== undefined) {
        throw new BridgeError(
          'A replay is running already; GET /dead-letters shows how far it is',
          {
            code: 'replay_running',
            kind: 'reject',
          },
        );
      }
      progress = newProgress(request.dryRun, now());
      try {
        const report = await replayAll(request, progress, signal);
        const { staying: _shown, ...numbers } = report;
        log.info(numbers, 'Dead letters replayed');
        return report;
      } finally {
        progress = undefined;
      }
    },
    get progress() {
      return progress === undefined ? undefined : { ...progress };
    },
  };
}

/** Those that were sent until then, and those that came later. */
function splitAt(letters: readonly ReceivedLetter[], timeMs: number) {
  const wasThere = ({ sentAt }: ReceivedLetter) => sentAt.getTime() <= timeMs;
  return [letters.filter(wasThere), letters.filter((letter) => !wasThere(letter))] as const;
}

function newProgress(dryRun: boolean, nowMs: number): Progress {
  const counts = { examined: 0, replayed: 0, failedAgain: 0, notReplayable: 0 };
  return { startedAt: new Date(nowMs).toISOString(), dryRun, ...counts };
}

/** Beside the time of a letter: the queue's clock may be behind ours. */
function lettersIn({ visible, inFlight, delayed }: DeadLetterCounts): number {
  return visible + inFlight + delayed;
}
