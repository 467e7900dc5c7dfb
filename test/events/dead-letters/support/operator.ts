import { randomUUID } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, vi } from 'vitest';
import type { SandboxOptions } from '../../../../src/sandbox/options.ts';
import { startTestServer } from '../../../http/support/test-server.ts';
import { copyConfiguration } from '../../../support/files.ts';
import { sandboxForTest, workerOn } from '../../../support/worker-under-test.ts';

export const until = (assertion: () => void) =>
  vi.waitFor(assertion, { timeout: 10_000, interval: 10 });

/** A worker with its routes, and an expression that tests can break and mend. */
export async function operator(sandboxOptions: SandboxOptions = {}) {
  const sandbox = await sandboxForTest(sandboxOptions);
  const configuration = await copyConfiguration();
  const under = await workerOn(sandbox, { configuration });
  const { pipeline, routes, worker } = under;
  const server = await startTestServer(routes);
  onTestFinished(() => server[Symbol.asyncDispose]());
  worker.start();
  await until(() => expect(under.health.ready).toBe(true));
  return {
    ...under,
    logged: under.lines,
    sandbox,
    /** Writes to the dead-letter queue as anybody may who has the right to. */
    forge: async (...bodies: readonly string[]) => {
      const sdk = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url });
      const QueueUrl = sandbox.environment['DLQ_QUEUE_URL'] ?? '';
      const isFifo = QueueUrl.endsWith('.fifo');
      for (const MessageBody of bodies) {
        const ids = { MessageGroupId: 'others', MessageDeduplicationId: randomUUID() };
        await sdk.send(new SendMessageCommand({ QueueUrl, MessageBody, ...(isFifo ? ids : {}) }));
      }
      sdk.destroy();
    },
    letters: () => sandbox.cloud.deadLetters().length,
    setExpression: async (text: string) => {
      await writeFile(configuration.expressionFile, text);
      await pipeline.reload();
    },
    get: async (path: string) => {
      const answer = await fetch(server.url + path);
      return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
    },
    post: async (path: string) => {
      const answer = await fetch(server.url + path, { method: 'POST' });
      return {
        status: answer.status,
        headers: answer.headers,
        body: (await answer.json()) as Record<string, unknown>,
      };
    },
  };
}
