import { hostname } from 'node:os';
import { createEventBus } from '../aws/event-bridge.ts';
import { createDeadLetterQueue } from '../aws/sqs/dead-letter-queue.ts';
import { createEventBuffer } from '../aws/sqs/event-buffer.ts';
import { BridgeError } from '../errors.ts';
import { startBufferWatch } from '../events/buffer/buffer-watch.ts';
import { takeIntoBuffer } from '../events/buffer/take-again.ts';
import { createReplay, type ReplayOptions } from '../events/dead-letters/replay.ts';
import { createJournal } from '../events/journal/journal.ts';
import type { LivePipeline } from '../events/pipeline/live-pipeline.ts';
import type { Pipeline } from '../events/pipeline/pipeline.ts';
import type { DeadLetterQueue, EventBuffer, EventBus } from '../events/ports.ts';
import { type PipelineStats, summarize } from '../events/telemetry/pipeline-stats.ts';
import { createBufferWorker } from '../events/worker/buffer-worker.ts';
import { createWorker, type Worker, type WorkerOptions } from '../events/worker/worker.ts';
import { bufferOutlet, busOutlet, type WorkerOutlet } from '../events/worker/worker-outlet.ts';
import type { GenesysClient } from '../genesys/client.ts';
import { createEventSource } from '../genesys/reference/event-source.ts';
import { createAvailability } from '../lib/health/availability.ts';
import type { Config } from '../settings/load-config.ts';
import type { AwsConnections } from './aws.ts';
import { CLOSE_SHARE, type Shared } from './shared.ts';

/** What tests set and operators cannot. */
export type WorkerOverrides = Partial<Omit<WorkerOptions, 'outlet' | 'pipeline'>> & {
  readonly pipeline?: Pick<Pipeline, 'filter' | 'versions' | 'process'> | undefined;
};

export interface DeliveryParts {
  /** For readers. */
  readonly client: GenesysClient | undefined;
  readonly aws: AwsConnections;
  readonly pipeline: LivePipeline;
  readonly stats: PipelineStats;
  readonly overrides?: WorkerOverrides | undefined;
}

export type Delivery = NonNullable<ReturnType<typeof openDelivery>>;

/**
 * What this process does of the way from the stream to the bus: all of it over its own journal, or
 * the part of its roles, with the shared buffer between readers and publishers.
 */
export function openDelivery(shared: Shared, parts: DeliveryParts) {
  const { config, log, roles, releasers } = shared;
  const { aws, pipeline, stats } = parts;
  const { DLQ_QUEUE_URL: queueUrl, BUFFER_QUEUE_URL: bufferUrl } = config;
  if (queueUrl === undefined) return undefined;
  const queue = createDeadLetterQueue({ ...aws.queueAt(queueUrl), queueUrl });
  releasers.push('dead-letter queue', () => queue.close());
  const bus = createEventBus({
    ...aws.eventBridge,
    busName: config.EVENTBUS_NAME,
    maxBytes: config.EVENTBUS_MAX_BATCH_BYTES,
  });
  releasers.push('event bus', () => bus.close());
  const buffer = bufferUrl === undefined ? undefined : openBuffer(shared, aws, bufferUrl);

  const read = <Entry>(outlet: WorkerOutlet<Entry>) =>
    roles.has('reader') ? openReader(shared, parts, queue, outlet) : undefined;
  const reading =
    buffer === undefined
      ? read(busOutlet(bus, parts.overrides?.pipeline ?? pipeline, stats))
      : read(bufferOutlet(buffer));
  const publisher =
    roles.has('publisher') && buffer !== undefined
      ? openPublisher(shared, parts, { queue, bus, buffer })
      : undefined;
  const replay = createReplay({
    queue,
    pipeline,
    entryLimits: bus,
    takeAgain: takeAgainWith(reading?.worker, buffer),
    log,
  });
  return {
    start(): void {
      if (reading === undefined && publisher === undefined) return;
      if (buffer !== undefined) watchBuffer(shared, buffer);
      for (const worker of [reading?.worker, publisher]) worker?.start();
      releasers.push('worker', async () => {
        const timeMs = config.SHUTDOWN_TIMEOUT_MS * (1 - 2 * CLOSE_SHARE);
        const signal = AbortSignal.timeout(timeMs);
        // What the reader still hands over is for everybody.
        await Promise.all([reading?.worker.stop(signal), publisher?.stop(signal)]);
      });
    },
    status: () => ({
      ...(reading?.worker.status() ?? { worker: { state: 'off' }, pipeline: summarize(stats) }),
      publisher: publisher?.status(),
    }),
    queue,
    replay,
    worker: reading?.worker,
    journal: reading?.journal,
    publisher,
    /** What operators hold and let go on. */
    switched: publisher ?? (buffer === undefined ? reading?.worker : undefined),
  };
}

function openBuffer({ config, releasers }: Shared, aws: AwsConnections, queueUrl: string) {
  const maxHolds = config.BUFFER_MAX_HOLDS;
  const buffer = createEventBuffer({ ...aws.queueAt(queueUrl), queueUrl, maxHolds });
  releasers.push('event buffer', () => buffer.close());
  return buffer;
}

function watchBuffer({ health, log, registry, releasers }: Shared, buffer: EventBuffer): void {
  const availability = createAvailability({
    what: 'The set-up of the event buffer',
    reporter: health.dependency('buffer-attributes', { required: false }),
    log,
  });
  const watch = startBufferWatch({ buffer, availability, registry });
  releasers.push('buffer watch', () => watch.stop());
}

/** From the stream into the journal, and from there to the outlet. */
function openReader<Entry>(
  { config, log, health, registry, releasers }: Shared,
  { client, pipeline, stats, overrides }: DeliveryParts,
  queue: DeadLetterQueue,
  outlet: WorkerOutlet<Entry>,
) {
  if (client === undefined) throw new Error('A reader needs Genesys');
  const isShared = outlet.name === 'buffer';
  const journal = createJournal({
    path: config.JOURNAL_PATH,
    maxBytes: config.JOURNAL_MAX_BYTES,
    maxRows: config.JOURNAL_MAX_ROWS,
    dedupeRows: config.EVENT_DEDUPE_ROWS,
  });
  releasers.push('journal', () => journal.close());
  const worker = createWorker({
    source: createEventSource(client, {
      livenessMs: config.EVENT_STREAM_LIVENESS_MS,
      maxLineBytes: config.EVENT_STREAM_MAX_LINE_BYTES,
      readerName: isShared ? (config.READER_NAME ?? hostname()) : undefined,
    }),
    outlet,
    queue,
    journal,
    stats,
    health,
    registry,
    log,
    subscriptionId: config.EVENT_SUBSCRIPTION_ID,
    streamRetryMaxMs: config.EVENT_STREAM_RETRY_MAX_MS,
    publish: {
      ...publishOptions(config),
      lingerMs: isShared ? config.BUFFER_LINGER_MS : config.PUBLISH_LINGER_MS,
    },
    ...overrides,
    pipeline: overrides?.pipeline ?? pipeline,
  });
  return { worker, journal };
}

/** From the shared buffer through the pipeline to the bus. */
function openPublisher(
  { config, log, health, registry }: Shared,
  { pipeline, stats }: DeliveryParts,
  ports: { readonly queue: DeadLetterQueue; readonly bus: EventBus; readonly buffer: EventBuffer },
) {
  return createBufferWorker({
    ...ports,
    pipeline,
    stats,
    health,
    registry,
    log,
    publish: publishOptions(config),
    holdSeconds: config.BUFFER_HOLD_SECONDS,
    maxHolds: config.BUFFER_MAX_HOLDS,
  });
}

function publishOptions(config: Config) {
  return {
    lingerMs: config.PUBLISH_LINGER_MS,
    maxInFlight: config.PUBLISH_MAX_IN_FLIGHT,
    checkMs: config.EVENTBUS_CHECK_INTERVAL_MS,
    retry: {
      maxRetries: config.PUBLISH_MAX_RETRIES,
      baseMs: config.PUBLISH_RETRY_BASE_MS,
      capMs: config.PUBLISH_RETRY_MAX_MS,
    },
  };
}

/** Where the events of dead letters go: into the journal of this process, or into the buffer. */
function takeAgainWith(
  worker: Worker | undefined,
  buffer: EventBuffer | undefined,
): ReplayOptions['takeAgain'] {
  if (buffer !== undefined) return (events) => takeIntoBuffer(buffer, events);
  if (worker !== undefined) return (events) => worker.takeAgain(events);
  return () => {
    throw new BridgeError('This process takes no events: ROLES has no reader', {
      code: 'worker_not_running',
      kind: 'systemic',
    });
  };
}
