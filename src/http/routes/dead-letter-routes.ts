import { BridgeError } from '../../errors.ts';
import type { DiscardRequest } from '../../events/dead-letters/discard.ts';
import type { Replay, ReplayRequest } from '../../events/dead-letters/replay.ts';
import type { Journal } from '../../events/journal/journal.ts';
import type { DeadLetter, DeadLetterQueue, ReceivedLetter } from '../../events/ports.ts';
import { cutText } from '../../lib/cut-text.ts';
import { writeJson } from '../../lib/json/exact-json.ts';
import { Problem } from '../problem.ts';
import type { Route } from '../route.ts';
import { closedObject, count } from './schema-shapes.ts';

export interface DeadLetterRouteOptions {
  readonly queue: Pick<DeadLetterQueue, 'counts' | 'receive' | 'release'>;
  readonly replay: Replay;
  /** Where letters wait while the queue is away; this process may have none. */
  readonly journal: Pick<Journal, 'letters' | 'oldestLetterAgeMs'> | undefined;
}

const MAX_PEEK = 50;
const MAX_LOOKED_AT = 100_000;
/** Of one letter; a longer one is shown by the beginnings of its members. */
const MAX_SHOWN_CHARACTERS = 16_384;
const MAX_BEGINNING_CHARACTERS = 1024;
/** Long enough to look, short enough should this process die while it does. */
const PEEK_SECONDS = 10;

const tag = 'Dead letters';
const counts = closedObject({ visible: count, inFlight: count, delayed: count });

/** Look at the events that could not be published, and publish them after all, or discard what holds none. */
export function deadLetterRoutes(options: DeadLetterRouteOptions): Route[] {
  return [look(options), replayAll(options), discard(options)];
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
      'Letters that are shown stay in the queue: they are received and released at once. On a FIFO queue these are the first ten at most, on a standard queue any; fewer when they are large. Of a letter longer than 16,384 characters the members are shown by the beginning of their text, with `shortened: true`; of a message that is no letter of ours, `beginning` is. `waiting` are letters on this instance’s disk, which the queue has not taken yet.',
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
            replay: {
              type: 'object',
              description: 'How far the replay, or the discarding (`work`), is that is running',
            },
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
          waiting: {
            letters: journal?.letters ?? 0,
            oldestSeconds: (journal?.oldestLetterAgeMs ?? 0) / 1000,
          },
          oldestShownSeconds:
            received.length === 0 ? undefined : Math.max(0, (Date.now() - oldest) / 1000),
          letters: received.map(shown),
          replay: replay.progress,
        },
      };
    },
  };
}

function shown({ messageId, sentAt, receiveCount, letter, body }: ReceivedLetter) {
  const facts = { messageId, sentAt: sentAt.toISOString(), receiveCount };
  if (letter !== undefined) return { ...facts, letter: shortened(letter) };
  return { ...facts, letter: null, beginning: cutText(body, MAX_BEGINNING_CHARACTERS) };
}

function shortened(letter: DeadLetter): object {
  if (JSON.stringify(letter).length <= MAX_SHOWN_CHARACTERS) return letter;
  const members = Object.entries(letter).map(([name, value]: [string, unknown]) => {
    const text = typeof value === 'string' ? value : (writeJson(value) ?? '');
    const isShort = text.length <= MAX_BEGINNING_CHARACTERS;
    return [name, isShort ? value : cutText(text, MAX_BEGINNING_CHARACTERS)] as const;
  });
  return { ...Object.fromEntries(members), shortened: true };
}

const selection = {
  stage: {
    enum: ['read', 'filter', 'transform', 'validate', 'publish'],
    description: 'Only letters of this stage',
  },
  code: {
    type: 'string',
    minLength: 1,
    maxLength: 128,
    description: 'Only letters with this `errorCode`; `not_a_letter`: messages of others',
  },
  eventId: {
    type: 'string',
    minLength: 1,
    maxLength: 128,
    description: 'Only letters with this event id',
  },
  max: {
    type: 'integer',
    minimum: 1,
    maximum: MAX_LOOKED_AT,
    default: 1000,
    description: 'Letters to look at, also those that are not asked for',
  },
} as const;

/** What both have in their answers. */
const readThroughShape = {
  dryRun: { type: 'boolean' },
  counts: { ...counts, description: 'The queue before the first letter was received' },
  examined: count,
  passedOver: { ...count, description: 'Of these, letters that were not asked for' },
  heldByOthers: {
    ...count,
    description: 'Letters that somebody else holds at the moment, as SQS counts them',
  },
  endedBy: {
    enum: ['empty', 'max', 'held_by_others', 'held_back', 'aborted'],
    description:
      'empty: no more of the letters that were there when it began; held_by_others: no more of them, as somebody else (another replay, a look) holds some; held_back: a FIFO queue gives no more, as letters that stay could not be moved to its end',
  },
} as const;

const failures = {
  409: { description: 'A replay, or a discarding, is running already' },
  502: { description: 'The queue failed' },
  503: { description: 'The journal is full, or the worker does not run' },
  504: { description: 'The queue did not answer in time' },
} as const;

function replayAll({ replay }: DeadLetterRouteOptions): Route<ReplayRequest> {
  return {
    method: 'post',
    path: '/dead-letters/replay',
    role: 'operate',
    operationId: 'replayDeadLetters',
    summary: 'Send dead letters through the pipeline again',
    description:
      'Every raw event goes through today’s filter, expression and schema, also where only the bus had refused it. An event that passes is committed to the journal, then its letter is deleted; from there it is published like any other, and becomes a new letter if the bus refuses it again. It ends with the letters that were in the queue when it began (by their number and by the time they were sent): new ones are left for the next replay. A letter that fails in the pipeline, or breaks it, stays; on a FIFO queue it goes to the end, also in a dry run. Event ids stay the same. `dryRun` only counts. While it runs, GET /dead-letters shows how far it is.',
    tag,
    query: {
      type: 'object',
      additionalProperties: false,
      properties: {
        dryRun: {
          type: 'boolean',
          default: false,
          description: 'Judge the letters, take and delete none',
        },
        ...selection,
      },
    },
    responses: {
      200: {
        description: 'What became of the letters',
        schema: {
          type: 'object',
          required: ['dryRun', 'counts', 'examined', 'replayed', 'failedAgain', 'endedBy'],
          properties: {
            ...readThroughShape,
            replayed: { ...count, description: 'In a dry run: would be' },
            failedAgain: { ...count, description: 'They stay in the queue' },
            notReplayable: {
              ...count,
              description:
                'They hold no event, or break the pipeline, or are no letters; they stay',
            },
            notDeleted: { ...count, description: 'Replayed, but still in the queue' },
            staying: {
              type: 'array',
              items: { type: 'object' },
              description: 'The first letters that stay, with stage and code',
            },
          },
        },
      },
      ...failures,
    },
    handle: async ({ query, signal }) => ({
      status: 200,
      body: await unlessRunning(replay.run(query, signal)),
    }),
  };
}

function discard({ replay }: DeadLetterRouteOptions): Route<DiscardRequest> {
  return {
    method: 'post',
    path: '/dead-letters/discard',
    role: 'operate',
    operationId: 'discardDeadLetters',
    summary: 'Delete dead letters that can never be replayed',
    description:
      'Deletes, for ever, letters that hold no event (lines of the stream that were none), or only the beginning of one that was too large for the queue. A letter that holds an event stays, whatever is asked. Messages that are no letters of ours are deleted only with `code=not_a_letter`. Each deleted letter is in the log, by event id, stage and code. `dryRun` only counts, by stage and code.',
    tag,
    query: {
      type: 'object',
      additionalProperties: false,
      properties: {
        dryRun: { type: 'boolean', default: false, description: 'Count, delete nothing' },
        ...selection,
      },
    },
    responses: {
      200: {
        description: 'What became of the letters',
        schema: {
          type: 'object',
          required: ['dryRun', 'counts', 'examined', 'discarded', 'kept', 'reasons', 'endedBy'],
          properties: {
            ...readThroughShape,
            discarded: { ...count, description: 'In a dry run: would be' },
            kept: { ...count, description: 'They hold an event, or are messages of others' },
            notDeleted: { ...count, description: 'SQS failed to delete them, or did not say' },
            reasons: {
              type: 'array',
              items: closedObject({
                stage: { type: 'string' },
                code: { type: 'string' },
                letters: count,
              }),
              description: 'What was discarded, by stage and code',
            },
          },
        },
      },
      ...failures,
    },
    handle: async ({ query, signal }) => ({
      status: 200,
      body: await unlessRunning(replay.discard(query, signal)),
    }),
  };
}

async function unlessRunning<T>(running: Promise<T>): Promise<T> {
  try {
    return await running;
  } catch (error) {
    if (error instanceof BridgeError && error.code === 'replay_running') {
      throw new Problem(409, error.code, error.message);
    }
    throw error;
  }
}
