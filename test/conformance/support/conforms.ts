import { CloudWatchClient } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient } from '@aws-sdk/client-eventbridge';
import { SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { type RunningAws, startAws } from '../../aws/aws-sandbox.ts';

type EngineName = 'sandbox' | 'moto' | 'elasticmq';

/** What one engine is asked through: AWS' own clients, or the wire. */
export interface Engine {
  readonly url: string;
  readonly sqs: SQSClient;
  readonly events: EventBridgeClient;
  readonly cloudWatch: CloudWatchClient;
}

/** One request, or a few, and what became of it on each engine. */
export interface Row<Answer> {
  readonly ask: (engine: Engine) => Promise<Answer>;
  /** What AWS answers, by its documents and by answers that were recorded there. */
  readonly aws: Answer;
  /** What an engine is known to answer instead. Once it is not so any more the row fails. */
  readonly wrong?: Partial<Record<EngineName, Answer>>;
}

/** The rows of one service, asked of the sandbox and of each engine that has the service. */
export function conforms<Answer>(
  service: string,
  engines: readonly EngineName[],
  rows: Readonly<Record<string, Row<Answer>>>,
): void {
  let sandbox: RunningAws;
  beforeAll(async () => {
    sandbox = await startAws();
  });
  afterAll(() => sandbox.close());

  const urls = {
    sandbox: () => sandbox.url,
    moto: inject('moto'),
    elasticmq: inject('elasticmq'),
  };
  for (const name of engines) {
    const url = urls[name];
    const needs = url === undefined ? ` needs CONFORMANCE_${name.toUpperCase()}` : '';
    describe.skipIf(url === undefined)(`${service} of ${name}${needs}`, () => {
      let engine: Engine & { destroy(): void };
      beforeAll(() => {
        engine = engineAt(typeof url === 'function' ? url() : (url ?? ''));
      });
      afterAll(() => engine.destroy());
      test.concurrent.each(Object.entries(rows))('%s', async (_, { ask, aws, wrong = {} }) => {
        const answer = await ask(engine);
        if (!(name in wrong)) {
          expect(answer).toEqual(aws);
          return;
        }
        expect(answer, 'it answers otherwise than it was known to').toEqual(wrong[name]);
        expect(answer, 'it is not wrong any more').not.toEqual(aws);
      });
    });
  }
}

function engineAt(url: string) {
  const options = {
    region: 'us-east-1',
    endpoint: url,
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
    maxAttempts: 1,
  };
  const sqs = new SQSClient(options);
  const events = new EventBridgeClient(options);
  const cloudWatch = new CloudWatchClient(options);
  return {
    url,
    sqs,
    events,
    cloudWatch,
    destroy() {
      for (const client of [sqs, events, cloudWatch]) client.destroy();
    },
  };
}

/** The error's name, as a handler of errors sees it; `taken` when nothing was refused. */
export async function outcomeOf(answer: Promise<unknown>): Promise<string> {
  try {
    await answer;
    return 'taken';
  } catch (error) {
    return error instanceof Error ? error.name : String(error);
  }
}
