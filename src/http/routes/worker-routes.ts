import type { Worker } from '../../events/worker/worker.ts';
import { Problem } from '../problem.ts';
import type { Answer, JsonSchema, Route } from '../route.ts';

const state: JsonSchema = {
  type: 'object',
  required: ['state'],
  properties: { state: { enum: ['running', 'paused', 'stopping', 'stopped'] } },
};

/** Hold publishing back, for example while the bus or its rules are changed, and let it go on. */
export function workerRoutes(worker: Pick<Worker, 'pause' | 'resume' | 'state'>): Route[] {
  function switchRoute(
    action: 'pause' | 'resume',
    wanted: Worker['state'],
    summary: string,
    description: string,
  ): Route {
    return {
      method: 'post',
      path: `/worker/${action}`,
      role: 'operate',
      operationId: `${action}Worker`,
      summary,
      description,
      tag: 'Operation',
      responses: {
        200: {
          description: 'Done, or it was so already',
          schema: state,
          example: { state: wanted },
        },
        409: { description: 'The worker is stopping or stopped' },
      },
      async handle(): Promise<Answer> {
        worker[action]();
        if (worker.state !== wanted) {
          throw new Problem(409, 'worker_not_running', `The worker is ${worker.state}.`);
        }
        return { status: 200, body: { state: worker.state } };
      },
    };
  }

  return [
    switchRoute(
      'pause',
      'paused',
      'Publish nothing more for now',
      'Calls under way are finished. Reading goes on: events are kept in the journal, until that is full. A restart ends the pause.',
    ),
    switchRoute(
      'resume',
      'running',
      'Publish again',
      'The events that waited in the journal go first, oldest first.',
    ),
  ];
}
