import { BridgeError } from '../../errors.ts';
import type { Logger } from '../../lib/logger.ts';
import type { EventToTake } from '../journal/group-commit.ts';
import type { Pipeline } from '../pipeline/pipeline.ts';
import type { DeadLetterQueue, EntryLimits, ReceivedLetter } from '../ports.ts';
import { type DiscardReport, type DiscardRequest, discardLetters } from './discard.ts';
import { judgeLetter } from './judge-letter.ts';
import {
  factsOf,
  type LetterFacts,
  type LetterSelection,
  type ReadThroughReport,
  readThrough,
} from './read-through.ts';

export interface ReplayOptions {
  readonly queue: DeadLetterQueue;
  /** In use now, not the one that made the letters. */
  readonly pipeline: Pipeline;
  readonly entryLimits: EntryLimits;
  /** Commits events to the journal; from then on they are as safe as any other. */
  readonly takeAgain: (events: readonly EventToTake[]) => Promise<void> | void;
  readonly log: Logger;
  readonly now?: (() => number) | undefined;
}

export interface ReplayRequest extends LetterSelection {
  readonly dryRun: boolean;
  /** Letters looked at, at most. */
  readonly max: number;
}

export interface ReplayReport extends ReadThroughReport {
  readonly dryRun: boolean;
  /** Committed to the journal and deleted from the queue; in a dry run: would be. */
  readonly replayed: number;
  /** They fail in today's pipeline too, or would be too large, and stay in the queue. */
  readonly failedAgain: number;
  /** Letters that hold no event or break the pipeline, and messages that are no letters; they stay. */
  readonly notReplayable: number;
  /** Replayed, but not deleted: they may be replayed twice. */
  readonly notDeleted: number;
  /** The first ones that stay, with the reason. */
  readonly staying: readonly LetterFacts[];
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
  /** As `discardLetters`. @throws BridgeError `replay_running` too. */
  discard(request: DiscardRequest, signal: AbortSignal): Promise<DiscardReport>;
  /** How far the one that is running is. */
  readonly progress: Progress | undefined;
}

export interface Progress {
  readonly startedAt: string;
  readonly work: 'replay' | 'discard';
  readonly dryRun: boolean;
  examined: number;
  replayed: number;
  failedAgain: number;
  notReplayable: number;
}

const MAX_SHOWN = 20;
const LOG_EVERY_MS = 10_000;

export function createReplay(options: ReplayOptions): Replay {
  const { queue, takeAgain, log, now = Date.now } = options;
  const today = { pipeline: options.pipeline, limits: options.entryLimits };
  let progress: Progress | undefined;

  async function replayLetters(
    request: ReplayRequest,
    at: Progress,
    onExamined: (letters: number) => void,
    signal: AbortSignal,
  ): Promise<ReplayReport> {
    const { dryRun } = request;
    const staying: LetterFacts[] = [];
    let notDeleted = 0;

    async function handle(letters: readonly ReceivedLetter[]): Promise<readonly ReceivedLetter[]> {
      const events: EventToTake[] = [];
      const receipts: string[] = [];
      const stay: ReceivedLetter[] = [];
      for (const received of letters) {
        const verdict = await judgeLetter(received.letter, today, now());
        if ('take' in verdict) {
          events.push({ ...verdict.take, letterId: received.messageId });
          receipts.push(received.receipt);
          continue;
        }
        at[verdict.stays] += 1;
        stay.push(received);
        const { stage, code = factsOf(received).code } = verdict;
        if (staying.length < MAX_SHOWN) staying.push({ ...factsOf(received), stage, code });
      }
      if (!dryRun && events.length > 0) {
        await takeAgain(events);
        try {
          await queue.delete(receipts, signal);
        } catch {
          notDeleted += receipts.length;
          log.warn({ letters: receipts.length }, 'Letters were replayed but not deleted');
        }
      }
      at.replayed += events.length;
      return dryRun ? letters : stay;
    }

    const read = await readThrough({ ...request, queue, log, now, handle, onExamined }, signal);
    const { replayed, failedAgain, notReplayable } = at;
    return { ...read, dryRun, replayed, failedAgain, notReplayable, notDeleted, staying };
  }

  /** One at a time: two would hold the letters of each other. */
  async function alone<T>(
    work: Progress['work'],
    dryRun: boolean,
    run: (at: Progress, onExamined: (letters: number) => void) => Promise<T>,
  ): Promise<T> {
    if (progress !== undefined) {
      throw new BridgeError(
        `A ${progress.work} is running already; GET /dead-letters shows how far it is`,
        { code: 'replay_running', kind: 'reject' },
      );
    }
    const at = newProgress(work, dryRun, now());
    progress = at;
    let loggedMs = now();
    try {
      return await run(at, (letters) => {
        at.examined += letters;
        if (now() - loggedMs < LOG_EVERY_MS) return;
        loggedMs = now();
        log.info(at, 'Reading dead letters');
      });
    } finally {
      progress = undefined;
    }
  }

  return {
    run: (request, signal) =>
      alone('replay', request.dryRun, async (at, onExamined) => {
        const report = await replayLetters(request, at, onExamined, signal);
        const { staying: _shown, ...numbers } = report;
        log.info(numbers, report.dryRun ? 'Dead letters judged' : 'Dead letters replayed');
        return report;
      }),
    discard: (request, signal) =>
      alone('discard', request.dryRun, async (_at, onExamined) => {
        const report = await discardLetters(request, { queue, log, now, onExamined }, signal);
        const { reasons: _shown, ...numbers } = report;
        log.info(numbers, report.dryRun ? 'Dead letters counted' : 'Dead letters discarded');
        return report;
      }),
    get progress() {
      return progress === undefined ? undefined : { ...progress };
    },
  };
}

function newProgress(work: Progress['work'], dryRun: boolean, nowMs: number): Progress {
  const counts = { examined: 0, replayed: 0, failedAgain: 0, notReplayable: 0 };
  return { startedAt: new Date(nowMs).toISOString(), work, dryRun, ...counts };
}
