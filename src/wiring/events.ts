import { createMetricsStore } from '../aws/cloudwatch.ts';
import { entryLimits } from '../aws/event-bridge.ts';
import { createSchemaRegistry } from '../aws/schema-registry.ts';
import type { AwsCredentialsOptions } from '../aws/sdk/credentials.ts';
import { openPipeline } from '../events/pipeline/live-pipeline.ts';
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
import { registerEventMetrics } from '../events/worker/worker-metrics.ts';
import type { GenesysClient } from '../genesys/client.ts';
import type { Route } from '../http/route.ts';
import { deadLetterRoutes } from '../http/routes/dead-letter-routes.ts';
import { simulateRoute } from '../http/routes/simulate/simulate-route.ts';
import { workerRoutes } from '../http/routes/worker-routes.ts';
import { type AwsConnections, awsConnections } from './aws.ts';
import { type Delivery, openDelivery, type WorkerOverrides } from './delivery.ts';
import type { Shared } from './shared.ts';

/** Of a stop's time, what the last metrics get. */
const METRICS_SHARE = 0.1;

/** What tests set and operators cannot. */
export interface EventsOverrides {
  readonly worker?: WorkerOverrides | undefined;
  readonly credentials?: AwsCredentialsOptions | undefined;
}

/** As {@link EventsOverrides}. */
export type SimulationOverrides = Partial<SimulatorOptions['overrides']>;

/** Genesys events to the bus, and the simulation of it. `client`: for those who read the stream. */
export async function openEvents(
  shared: Shared,
  client: GenesysClient | undefined,
  overrides: EventsOverrides = {},
) {
  const { config, log, registry, roles, releasers } = shared;
  const aws = awsConnections(config, log, overrides.credentials);
  const { pipeline, route } = await openSimulation(shared, aws);
  const stats = createPipelineStats();
  const delivery = openDelivery(shared, {
    client,
    aws,
    pipeline,
    stats,
    overrides: overrides.worker,
  });
  const switched = delivery?.switched;
  const switches = switched === undefined ? [] : workerRoutes(switched);
  const works = roles.has('reader') || roles.has('publisher');
  if (works) registerEventMetrics(registry, stats);

  return {
    start(): void {
      if (!works) return;
      if (config.CLOUDWATCH_ENABLED) startMetrics(shared, aws, stats);
      const stopReport = startPipelineReport({ stats, log, intervalMs: config.REPORT_INTERVAL_MS });
      releasers.push('pipeline report', stopReport);
      delivery?.start();
    },
    routes: [route, ...letterRoutes(delivery), ...switches],
    /** Where nothing else is served. */
    workerRoutes: switches,
    status: () => delivery?.status() ?? { worker: { state: 'off' }, pipeline: summarize(stats) },
    pipeline,
    stats,
    delivery,
  };
}

function letterRoutes(delivery: Delivery | undefined): Route[] {
  return delivery === undefined ? [] : deadLetterRoutes(delivery);
}

function startMetrics(
  { config, log, releasers }: Shared,
  aws: AwsConnections,
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

function openSchema(
  { config, log, health, roles, schemas }: Shared,
  connect: () => SchemaRegistry,
): Promise<EventSchemaSource> | EventSchemaSource {
  const mode = config.EVENT_SCHEMA_MODE;
  // A reader passes on what it reads.
  if (mode === 'off' || !(roles.has('api') || roles.has('publisher'))) return noSchema();
  const required = roles.has('publisher');
  const reporter = health.dependency('schema', required ? { role: 'publisher' } : { required });
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
