import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { onTestFinished } from 'vitest';
import { createEventBus } from '../../../../src/aws/event-bridge.ts';
import { createCredentials } from '../../../../src/aws/sdk/credentials.ts';
import { createDeadLetterQueue } from '../../../../src/aws/sqs/dead-letter-queue.ts';
import { createEventBuffer } from '../../../../src/aws/sqs/event-buffer.ts';
import { openPipeline } from '../../../../src/events/pipeline/live-pipeline.ts';
import { openSchemaFile } from '../../../../src/events/pipeline/schema-file.ts';
import type { RawEvent } from '../../../../src/events/ports.ts';
import { createPipelineStats } from '../../../../src/events/telemetry/pipeline-stats.ts';
import {
  type BufferWorkerOptions,
  createBufferWorker,
} from '../../../../src/events/worker/buffer-worker.ts';
import { createHealth } from '../../../../src/lib/health/health.ts';
import { createLogger } from '../../../../src/lib/logger.ts';
import { createMetricsRegistry } from '../../../../src/lib/metrics.ts';
import type { Sandbox } from '../../../../src/sandbox/sandbox.ts';

const FIFO = {
  FifoQueue: 'true',
  DeduplicationScope: 'messageGroup',
  FifoThroughputLimit: 'perMessageGroupId',
};

/** Creates a queue in the sandbox; its URL. */
export async function createQueue(sandbox: Sandbox, name: string): Promise<string> {
  const client = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url });
  const Attributes = name.endsWith('.fifo') ? FIFO : undefined;
  const { QueueUrl = '' } = await client.send(
    new CreateQueueCommand({ QueueName: name, Attributes }),
  );
  client.destroy();
  return QueueUrl;
}

export interface BufferWorkerTestOptions {
  readonly worker?: Partial<BufferWorkerOptions>;
  readonly expressionFile?: string;
  /** The transform of such an event does not end before the worker has stopped. */
  readonly isStuck?: (event: RawEvent) => boolean;
}

/** A publisher on the shared buffer with its real adapters; stopped and closed after the test. */
export async function bufferWorkerOn(
  sandbox: Sandbox,
  queueUrl: string,
  options: BufferWorkerTestOptions = {},
) {
  const lines: Record<string, unknown>[] = [];
  const log = createLogger({
    level: 'debug',
    destination: { write: (line) => void lines.push(JSON.parse(line) as Record<string, unknown>) },
  });
  const { environment } = sandbox;
  const aws = {
    credentials: createCredentials(),
    region: 'us-east-1',
    endpoint: sandbox.url,
    maxSockets: 8,
    connectTimeoutMs: 1000,
    requestTimeoutMs: 2000,
  };
  const buffer = createEventBuffer({ ...aws, queueUrl });
  const bus = createEventBus({
    ...aws,
    busName: environment['EVENTBUS_NAME'] ?? '',
    maxBytes: 1_000_000,
  });
  const queue = createDeadLetterQueue({ ...aws, queueUrl: environment['DLQ_QUEUE_URL'] ?? '' });
  const pipeline = await openPipeline({
    filterFile: 'config/event-filter.json',
    expressionFile: options.expressionFile ?? 'config/event-transform.jsonata',
    limits: { timeoutMs: 1000, maxDepth: 200, maxSequence: 1000 },
    schema: await openSchemaFile({ path: 'config/event-schema.json', mode: 'enforce', log }),
    log,
  });
  const stats = createPipelineStats();
  const health = createHealth();
  const stopped = Promise.withResolvers<void>();
  const worker = createBufferWorker({
    buffer,
    bus,
    queue,
    pipeline: {
      ...pipeline,
      async process(event, eventId) {
        if (options.isStuck?.(event) === true) await stopped.promise;
        return pipeline.process(event, eventId);
      },
    },
    stats,
    health,
    registry: createMetricsRegistry(),
    log,
    publish: { lingerMs: 2, maxInFlight: 4, retry: { maxRetries: 5, baseMs: 20, capMs: 100 } },
    holdSeconds: 5,
    maxHolds: 10,
    backOff: { baseMs: 20, capMs: 100 },
    ...options.worker,
  });
  let closed = false;
  async function close(signal = AbortSignal.timeout(2000)): Promise<void> {
    if (closed) return;
    closed = true;
    setTimeout(stopped.resolve, 100);
    await worker.stop(signal);
    await pipeline.stop();
    for (const part of [buffer, bus, queue]) part.close();
  }
  onTestFinished(() => close());
  return { worker, buffer, bus, queue, stats, health, lines, close };
}
