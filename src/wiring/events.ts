import { createMetricsStore } from '../aws/cloudwatch.ts';
import { createEventBus, entryLimits } from '../aws/event-bridge.ts';
import { createSchemaRegistry } from '../aws/schema-registry.ts';
import type { AwsConnectionOptions } from '../aws/sdk/connection.ts';
import { type AwsCredentialsOptions, createCredentials } from '../aws/sdk/credentials.ts';
import { createDeadLetterQueue } from '../aws/sqs/dead-letter-queue.ts';
import { createReplay } from '../events/dead-letters/replay.ts';
import { createJournal } from '../events/journal/journal.ts';
import { type LivePipeline, openPipeline } from '../events/pipeline/live-pipeline.ts';
import { openSchemaFile } from '../events/pipeline/schema-file.ts';
import { startRegistrySchema } from '../events/pipeline/schema-in-registry.ts';
import { type EventSchemaSource, noSchema } from '../events/pipeline/schema-source.ts';
import type { SchemaRegistry } from '../events/ports.ts';
import { createSimulator, type SimulatorOptions } from '../events/simulation/simulator.ts';
import { createMetricsSender } from '../events/telemetry/metrics-sender.ts';
import { startPipelineReport } from '../events/telemetry/pipeline-report.ts';
import {
  createPipelineStats,
  type PipelineStats,
  summarize,
} from '../events/telemetry/pipeline-stats.ts';
import { createWorker, type WorkerOptions } from '../events/worker/worker.ts';
import type { GenesysClient } from '../genesys/client.ts';
import { createEventSource } from '../genesys/reference/event-source.ts';
import { deadLetterRoutes } from '../http/routes/dead-letter-routes.ts';
import { simulateRoute } from '../http/routes/simulate/simulate-route.ts';
import { workerRoutes } from '../http/routes/worker-routes.ts';
import type { Logger } from '../lib/logger.ts';
import type { Config } from '../settings/load-config.ts';
import { regionIn } from '../settings/rules.ts';
import { CLOSE_SHARE, networkOf, type Shared } from './shared.ts';

/** Of a stop's time, what the last metrics get. */
const METRICS_SHARE = 0.1;

/** What tests set and operators cannot. */
export interface EventsOverrides {
  readonly worker?: Partial<WorkerOptions> | undefined;
  readonly credentials?: AwsCredentialsOptions | undefined;
}

/** As {@link EventsOverrides}. */
export type SimulationOverrides = Partial<SimulatorOptions['overrides']>;

/** Genesys events to the bus, and the simulation of it. */
export async function openEvents(
  shared: Shared,
  client: GenesysClient,
  overrides: EventsOverrides = {},
) {
  const aws = awsConnections(shared.config, shared.log, overrides.credentials);
  const { pipeline, route } = await openSimulation(shared, aws);
  const stats = createPipelineStats();
  const delivery = openDelivery(shared, { client, aws, pipeline, stats, overrides });
  return {
    start: () => delivery?.start(),
    routes: [route, ...(delivery?.routes ?? [])],
    status: () =>
      delivery?.worker.status() ?? { worker: { state: 'off' }, pipeline: summarize(stats) },
    pipeline,
    stats,
    delivery,
  };
}

interface DeliveryParts {
  readonly client: GenesysClient;
  readonly aws: ReturnType<typeof awsConnections>;
  readonly pipeline: LivePipeline;
  readonly stats: PipelineStats;
  readonly overrides: EventsOverrides;
}

/** The worker with its journal, bus and dead-letter queue; nothing when it is switched off. */
function openDelivery(shared: Shared, parts: DeliveryParts) {
  const { config, log, health, registry, releasers } = shared;
  const { client, aws, pipeline, stats, overrides } = parts;
  const queueUrl = config.DLQ_QUEUE_URL;
  if (!config.WORKER_ENABLED || queueUrl === undefined) return undefined;

  const journal = createJournal({
    path: config.JOURNAL_PATH,
    maxBytes: config.JOURNAL_MAX_BYTES,
    maxRows: config.JOURNAL_MAX_ROWS,
    dedupeRows: config.EVENT_DEDUPE_ROWS,
  });
  releasers.push('journal', () => journal.close());
  const bus = createEventBus({
    ...aws.eventBridge,
    busName: config.EVENTBUS_NAME,
    maxBytes: config.EVENTBUS_MAX_BATCH_BYTES,
  });
  releasers.push('event bus', () => bus.close());
  const queue = createDeadLetterQueue({
    ...aws.sqs,
    queueUrl,
    maxLineBytes: config.EVENT_STREAM_MAX_LINE_BYTES,
  });
  releasers.push('dead-letter queue', () => queue.close());
  const worker = createWorker({
    source: createEventSource(client, {
      livenessMs: config.EVENT_STREAM_LIVENESS_MS,
      maxLineBytes: config.EVENT_STREAM_MAX_LINE_BYTES,
    }),
    bus,
    queue,
    pipeline,
    journal,
    stats,
    health,
    registry,
    log,
    subscriptionId: config.EVENT_SUBSCRIPTION_ID,
    streamRetryMaxMs: config.EVENT_STREAM_RETRY_MAX_MS,
    publish: {
      lingerMs: config.PUBLISH_LINGER_MS,
      maxInFlight: config.PUBLISH_MAX_IN_FLIGHT,
      checkMs: config.EVENTBUS_CHECK_INTERVAL_MS,
      retry: {
        maxRetries: config.PUBLISH_MAX_RETRIES,
        baseMs: config.PUBLISH_RETRY_BASE_MS,
        capMs: config.PUBLISH_RETRY_MAX_MS,
      },
    },
    ...overrides.worker,
  });
  const replay = createReplay({
    queue,
    pipeline,
    entryLimits: bus,
    takeAgain: (events) => worker.takeAgain(events),
    log,
  });
  return {
    start() {
      if (config.CLOUDWATCH_ENABLED) startMetrics(shared, aws, stats);
      const stopReport = startPipelineReport({ stats, log, intervalMs: config.REPORT_INTERVAL_MS });
      releasers.push('pipeline report', stopReport);
      worker.start();
      releasers.push('worker', () =>
        worker.stop(AbortSignal.timeout(config.SHUTDOWN_TIMEOUT_MS * (1 - 2 * CLOSE_SHARE))),
      );
    },
    routes: [...deadLetterRoutes({ queue, replay, journal }), ...workerRoutes(worker)],
    worker,
    journal,
    queue,
  };
}

function startMetrics(
  { config, log, releasers }: Shared,
  aws: DeliveryParts['aws'],
  stats: PipelineStats,
): void {
  const store = createMetricsStore(aws.cloudWatch);
  releasers.push('CloudWatch', () => store.close());
  const sender = createMetricsSender({
    store,
    stats,
    intervalMs: config.METRICS_INTERVAL_MS,
    log,
  });
  sender.start();
  releasers.push('metrics sender', () =>
    sender.stop(AbortSignal.timeout(config.SHUTDOWN_TIMEOUT_MS * METRICS_SHARE)),
  );
}

/** The pipeline of the configuration files, and the route that tries it. */
export async function openSimulation(
  shared: Shared,
  aws = awsConnections(shared.config, shared.log),
  overrides: SimulationOverrides = {},
) {
  const { config, log, health, registry, limits, releasers } = shared;
  const schema = await openSchema(shared, () => {
    const registryClient = createSchemaRegistry(aws.schemas);
    releasers.push('schema registry', () => registryClient.close());
    return registryClient;
  });
  const pipeline = await openPipeline({
    filterFile: config.EVENT_FILTER_FILE,
    expressionFile: config.EVENT_EXPRESSION_FILE,
    limits,
    schema,
    log,
    health,
    holdToExamples: config.HOLD_EDITS_TO_EXAMPLES,
  });
  releasers.push('pipeline', () => pipeline.stop());
  const simulator = createSimulator({
    pipeline,
    entryLimits: entryLimits(config.EVENTBUS_MAX_BATCH_BYTES),
    expressionLimits: limits,
    overrides: {
      timeoutMs: config.SIMULATE_TIMEOUT_MS,
      memoryBytes: config.SIMULATE_MEMORY_BYTES,
      ...overrides,
    },
    registry,
  });
  releasers.push('simulator', () => simulator.stop());
  const route = simulateRoute({
    simulator,
    // Without authentication everybody has every role; then only the setting counts.
    overridesAllowed: ({ roles }) =>
      config.SIMULATE_OVERRIDES || (config.AUTH_MODE !== 'none' && roles.has('operate')),
    maxLineBytes: config.HTTP_LINE_LIMIT_BYTES,
  });
  return { pipeline, simulator, route };
}

/** Where each AWS service is; its own address wins over the one for all. One credentials for all. */
export function awsConnections(
  config: Config,
  log?: Logger,
  credentialsOptions?: AwsCredentialsOptions,
) {
  const credentials = createCredentials({ log, ...credentialsOptions });
  const network = networkOf(config);
  const { AWS_CA_BUNDLE = '' } = config;
  const authorities = `${network.authorities ?? ''}${AWS_CA_BUNDLE}` || undefined;
  const at = (endpoint: string | undefined): AwsConnectionOptions => ({
    credentials,
    region: config.AWS_REGION,
    endpoint: endpoint ?? config.AWS_ENDPOINT_URL,
    maxSockets: config.PUBLISH_MAX_IN_FLIGHT,
    connectTimeoutMs: config.AWS_CONNECT_TIMEOUT_MS,
    requestTimeoutMs: config.AWS_REQUEST_TIMEOUT_MS,
    network: { ...network, authorities },
    log,
  });
  return {
    eventBridge: at(config.AWS_ENDPOINT_URL_EVENTBRIDGE),
    // A queue of another region is called there, and that region signs.
    sqs: {
      ...at(config.AWS_ENDPOINT_URL_SQS),
      region: regionIn(config.DLQ_QUEUE_URL ?? '') ?? config.AWS_REGION,
    },
    cloudWatch: at(config.AWS_ENDPOINT_URL_CLOUDWATCH),
    schemas: at(config.AWS_ENDPOINT_URL_SCHEMAS),
  };
}

function openSchema(
  { config, log, health, schemas }: Shared,
  connect: () => SchemaRegistry,
): Promise<EventSchemaSource> | EventSchemaSource {
  const mode = config.EVENT_SCHEMA_MODE;
  if (mode === 'off') return noSchema();
  const reporter = health.dependency('schema');
  const { EVENT_SCHEMA_REGISTRY: registryName, EVENT_SCHEMA_NAME: schemaName } = config;
  if (registryName === undefined || schemaName === undefined) {
    return openSchemaFile({
      path: config.EVENT_SCHEMA_FILE,
      mode,
      log,
      reporter,
      fileReporter: health.dependency('event-schema-file', { required: false }),
      holdToExamples: config.HOLD_EDITS_TO_EXAMPLES,
    });
  }
  return startRegistrySchema({
    registry: connect(),
    registryName,
    schemaName,
    schemaVersion: config.EVENT_SCHEMA_VERSION,
    component: config.EVENT_SCHEMA_COMPONENT,
    mode,
    cache: schemas,
    refreshMs: config.SCHEMA_CACHE_TTL_SECONDS * 1000,
    log,
    reporter,
  });
}
