import { SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { expect, onTestFinished, test, vi } from 'vitest';
import { startBufferWatch } from '../../../src/events/buffer/buffer-watch.ts';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../src/lib/metrics.ts';
import { interactions, sandboxForTest } from '../../support/worker-under-test.ts';
import { bufferWorkerOn, createQueue } from './support/buffer-worker-on.ts';

test('counts what is in the buffer, and names what is wrong with it until it is mended', async () => {
  const sandbox = await sandboxForTest();
  const QueueUrl = await createQueue(sandbox, 'buffer.fifo');
  const { buffer } = await bufferWorkerOn(sandbox, QueueUrl);
  await buffer.put(
    interactions(3).map((event, index) => {
      const eventId = String(index);
      return { eventId, deduplicationId: eventId, takenAtMs: Date.now(), event };
    }),
  );
  const [held] = await buffer.hold({ max: 1, seconds: 60, waitSeconds: 0 });
  expect(held).toBeDefined();
  const health = createHealth();
  const registry = createMetricsRegistry();
  const reporter = health.dependency('buffer-attributes', { required: false });
  const log = createLogger({ level: 'silent' });
  const watch = startBufferWatch({
    buffer,
    registry,
    availability: createAvailability({ what: 'The buffer', reporter, log }),
  });
  onTestFinished(() => watch.stop());
  const state = () => health.snapshot()[0];

  await vi.waitFor(() =>
    expect(state()).toMatchObject({
      state: 'down',
      lastError: {
        code: 'buffer_attributes',
        message: expect.stringContaining('set-queue-attributes') as string,
      },
    }),
  );
  expect(health.ready).toBe(true);
  const metrics = await registry.metrics();
  expect(metrics).toContain('pipeline_buffer_events{state="waiting"} 2');
  expect(metrics).toContain('pipeline_buffer_events{state="held"} 1');
  expect(metrics).toContain('pipeline_buffer_events{state="delayed"} 0');

  const client = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url });
  onTestFinished(() => client.destroy());
  const Attributes = { MessageRetentionPeriod: '1209600' };
  await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
  await watch.checkNow();
  expect(state()).toMatchObject({ state: 'up' });
});
