import type { Worker } from '../../events/worker/worker.ts';
import { Problem } from '../problem.ts';
import type { Answer, JsonSchema, Route } from '../route.ts';

const state: JsonSchema = {
  type: 'object',
  required: ['state'],
  properties: { state: { enum: ['running', 'paused', 'stopping', 'stopped'] } },
};

/** One of several publishers of a shared buffer has no pause. */
export type SwitchedWorker = Pick<Worker, 'resume' | 'state' | 'heldByFailures'> &
  Partial<Pick<Worker, 'pause'>>;

const SHARED =
  'Several processes publish what is in the buffer, and this one could stop only itself: scale the publishers to 0; the buffer keeps the events.';

const stopped = { description: 'The worker is stopping or stopped' };

/** Hold publishing back, for example while the bus or its rules are changed, and let it go on. */
export function workerRoutes(worker: SwitchedWorker): Route[] {
  const common = { method: 'post', role: 'operate', tag: 'Operation' } as const;
  const done = (wanted: Worker['state']) => ({
    description: 'Done, or it was so already',
    schema: state,
    example: { state: wanted },
  });

  function answer(wanted: Worker['state']): Answer {
    if (worker.state !== wanted) {
      throw new Problem(409, 'worker_not_running', `The worker is ${worker.state}.`);
    }
    return { status: 200, body: { state: worker.state } };
  }

  const pause: Route = {
    ...common,
    path: '/worker/pause',
    operationId: 'pauseWorker',
    summary: 'Publish nothing more for now',
    description:
      'Calls under way are finished. Reading goes on: events are kept in the journal, until that is full. A restart ends the pause.',
    responses: { 200: done('paused'), 409: stopped },
    async handle() {
      if (worker.pause === undefined) throw new Problem(409, 'worker_shared', SHARED);
      worker.pause();
      return answer('paused');
    },
  };
  const resume: Route = {
    ...common,
    path: '/worker/resume',
    operationId: 'resumeWorker',
    summary: 'Publish again',
    description:
      'The events that waited in the journal go first, oldest first. Publishing that is held because most events fail (`pipeline` in `/readyz`) goes on by itself when filter, expression or schema are changed, or here with `acceptFailures`: then events that fail with the versions in use become dead letters, also after a restart.',
    bodyOptional: true,
    body: {
      type: 'object',
      additionalProperties: false,
      properties: {
        acceptFailures: {
          type: 'boolean',
          default: false,
          description: 'Go on although most events fail',
        },
      },
    },
    example: { acceptFailures: false },
    responses: {
      200: done('running'),
      409: {
        description:
          'The worker is stopping or stopped, or publishing is held because most events fail (`most_events_fail`)',
      },
    },
    async handle({ body }) {
      worker.resume(body ?? {});
      const answered = answer('running');
      if (worker.heldByFailures) {
        throw new Problem(
          409,
          'most_events_fail',
          'Publishing is held because most events fail: mend filter, expression or schema, or send {"acceptFailures":true}.',
        );
      }
      return answered;
    },
  };
  return [pause, resume];
}
