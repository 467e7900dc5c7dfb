import { BridgeError } from '../../errors.ts';
import type { Replay } from '../../events/dead-letters/replay.ts';
import type { Journal } from '../../events/journal/journal.ts';
import type { DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { Problem } from '../problem.ts';
import type { Route } from '../route.ts';
import { closedObject, count } from './schema-shapes.ts';

export interface DeadLetterRouteOptions {
  readonly queue: Pick<DeadLetterQueue, 'counts' | 'receive' | 'release'>;
  readonly replay: Replay;
  /** Where letters wait while the queue is away. */
  readonly journal: Pick<Journal, 'letters' | 'oldestLetterAgeMs'>;
}

const MAX_PEEK = 50;
const MAX_REPLAY = 100_000;
/** Long enough to look, short enough should this process die while it does. */
const PEEK_SECONDS = 10;

const tag = 'Dead letters';
const counts = closedObject({ visible: count, inFlight: count, delayed: count });

/** Look at the events that could not be published, and publish them after all. */
export function deadLetterRoutes(options: DeadLetterRouteOptions): Route[] {
  return [look(options), replayAll(options)];
}

function look({
  queue,
  replay,
  journal,
}: DeadLetterRouteOptions): Route<{ readonly peek: number }> {
  return {
    method: 'get',
    path: '/dead-letters',
    role: 'operate',
    operationId: 'listDeadLetters',
    summary: 'How many dead letters there are, how old, and the first of them',
    description:
      'Letters that are shown stay in the queue: they are received and released at once. On a FIFO queue these are the oldest, on a standard queue any. `waiting` are letters on this instance’s disk, which the queue has not taken yet.',
    tag,
    query: {
      type: 'object',
      additionalProperties: false,
      properties: {
        peek: {
          type: 'integer',
          minimum: 0,
          maximum: MAX_PEEK,
          default: 10,
          description: 'Letters to show',
        },
      },
    },
    responses: {
      200: {
        description: 'What is in the queue',
        schema: {
          type: 'object',
          required: ['queue', 'waiting', 'letters'],
          properties: {
            queue: counts,
            waiting: closedObject({
              letters: count,
              oldestSeconds: { type: 'number', minimum: 0 },
            }),
            oldestShownSeconds: {
              type: 'number',
              minimum: 0,
              description: 'Age of the oldest letter that is shown',
            },
            letters: { type: 'array', items: { type: 'object' } },
            replay: { type: 'object', description: 'How far the replay is that is running' },
          },
        },
      },
      502: { description: 'The queue failed' },
      504: { description: 'The queue did not answer in time' },
    },
    async handle({ query: { peek }, signal }) {
      const received =
        peek === 0
          ? []
          : await queue.receive({ max: peek, visibilitySeconds: PEEK_SECONDS }, signal);
      // Without the caller's signal: also when they have gone, the letters must not stay hidden.
      if (received.length > 0) await queue.release(received.map(({ receipt }) => receipt));
      const oldest = Math.min(...received.map(({ sentAt }) => sentAt.getTime()));
      return {
        status: 200,
        body: {
          queue: await queue.counts(signal),
          waiting: { letters: journal.letters, oldestSeconds: journal.oldestLetterAgeMs / 1000 },
          oldestShownSeconds:
            received.length === 0 ? undefined : Math.max(0, (Date.now() - oldest) / 1000),
          letters: received.map(shown),
          replay: replay.progress,
        },
      };
    },
  };
}

function shown({ messageId, sentAt, receiveCount, letter }: ReceivedLetter) {
  return { messageId, sentAt: sentAt.toISOString(), receiveCount, letter: letter ?? null };
}

function replayAll({
  replay,
}: DeadLetterRouteOptions): Route<{ readonly dryRun: boolean; readonly max: number }> {
  return {
    method: 'post',
    path: '/dead-letters/replay',
    role: 'operate',
    operationId: 'replayDeadLetters',
    summary: 'Send dead letters through the pipeline again',
    description:
      'Every raw event goes through today’s expression and schema, also where only the bus had refused it. An event that passes is committed to the journal, then its letter is deleted; from there it is published like any other, and becomes a new letter if the bus refuses it again. It ends with the letters that were in the queue when it began (by their number and by the time they were sent): new ones are left for the next replay. A letter that fails in the pipeline stays. Event ids stay the same. `dryRun` only counts. While it runs, GET /dead-letters shows how far it is.',
    tag,
    query: {
      type: 'object',
      additionalProperties: false,
      properties: {
        dryRun: {
          type: 'boolean',
          default: false,
          description: 'Judge the letters, change nothing',
        },
        max: {
          type: 'integer',
          minimum: 1,
          maximum: MAX_REPLAY,
          default: 1000,
          description: 'Letters to look at',
        },
      },
    },
    responses: {
      200: {
        description: 'What became of the letters',
        schema: {
          type: 'object',
          required: ['dryRun', 'counts', 'examined', 'replayed', 'failedAgain', 'endedBy'],
          properties: {
            dryRun: { type: 'boolean' },
            counts: { ...counts, description: 'The queue before the first letter was received' },
            examined: count,
            replayed: { ...count, description: 'In a dry run: would be' },
            failedAgain: { ...count, description: 'They stay in the queue' },
            notReplayable: { ...count, description: 'Lines that hold no event; they stay' },
            notDeleted: { ...count, description: 'Replayed, but still in the queue' },
            endedBy: {
              enum: ['empty', 'max', 'held_back', 'aborted'],
              description:
                'empty: no more of the letters that were there when it began; held_back: a FIFO queue gives no more while letters that stay are before them',
            },
            staying: {
              type: 'array',
              items: { type: 'object' },
              description: 'The first letters that stay, with stage and code',
            },
          },
        },
      },
      409: { description: 'A replay is running already' },
      502: { description: 'The queue failed' },
      503: { description: 'The journal is full, or the worker does not run' },
      504: { description: 'The queue did not answer in time' },
    },
    async handle({ query, signal }) {
      try {
        const report = await replay.run(query, signal);
        return { status: 200, body: report };
      } catch (error) {
        if (error instanceof BridgeError && error.code === 'replay_running') {
          throw new Problem(409, error.code, error.message);
        }
        throw error;
      }
    },
  };
}
