// POST /simulate and, beside it, the same request answered with a ready text of the same length,
// without anything else and with the bare pipeline function, in a process of its own. Over IPC: `port`, then on `cpu` the process' CPU time in microseconds, on
// `pipeline` the time of the bare pipeline function in microseconds.
import { randomUUID } from 'node:crypto';
import { createSampleEvent } from '../src/events/pipeline/sample-event.ts';
import { createSimulationTally } from '../src/events/simulation/tally.ts';
import type { Role, Route } from '../src/http/route.ts';
import { createHttpServer } from '../src/http/server.ts';
import { createLogger } from '../src/lib/logger.ts';
import { createReleasers } from '../src/lib/releasers.ts';
import { loadConfig } from '../src/settings/load-config.ts';
import { openSimulation } from '../src/wiring/events.ts';
import { createShared } from '../src/wiring/shared.ts';

const PIPELINE_RUNS = 20_000;
const EVENT_ID = '0196f0a0-1111-7222-8333-944444444444';

const log = createLogger({ level: 'silent' });
const shared = createShared(
  loadConfig({
    AUTH_MODE: 'none',
    GENESYS_CLIENT_ID: 'nobody',
    GENESYS_CLIENT_SECRET: 'asks',
    WORKER_ENABLED: 'false',
  }),
  { log, releasers: createReleasers() },
);
const { pipeline, simulator, route: simulated } = await openSimulation(shared);
const sample = await simulator.run(simulator.sampleEvent({}));
const tally = createSimulationTally();
tally.add(sample);
const answer = JSON.stringify({
  status: 'simulated',
  ...sample,
  report: tally.report,
  counts: { thisRequest: tally.counts, sinceStart: simulator.sinceStart },
});
const ready = {
  status: 200,
  body: answer,
  headers: { 'content-type': 'application/json; charset=utf-8' },
};
const reference: Route = {
  ...simulated,
  path: '/reference',
  operationId: 'reference',
  handle: async () => ready,
};
const bare: Route = {
  ...simulated,
  path: '/bare',
  operationId: 'bare',
  async handle() {
    const event = createSampleEvent({}, { uuid: randomUUID, now: () => new Date() });
    if (pipeline.filter(event).matched) await pipeline.process(event, EVENT_ID);
    return ready;
  },
};

const server = createHttpServer({
  host: '127.0.0.1',
  port: 0,
  trustProxy: 'false',
  allowedHosts: [],
  authentication: {
    schemes: [],
    authenticate: async () => ({ roles: new Set<Role>(['simulate']) }),
  },
  health: shared.health,
  roles: shared.roles,
  log,
  registry: shared.registry,
  about: { name: 'bench', version: '0' },
  status: () => ({}),
  logLevel: { get: () => 'silent', set: () => undefined },
  routes: [simulated, reference, bare],
  limits: {
    bodyBytes: 1_000_000,
    heldBodyBytes: 10_000_000,
    lineBytes: 1_048_576,
    jsonDepth: 64,
    jsonValues: 100_000,
    inFlight: 1000,
    loopDelayMs: 0,
    perMinute: 0,
    headersTimeoutMs: 10_000,
    bodyTimeoutMs: 10_000,
  },
});

async function pipelineMicros(): Promise<number> {
  const event = createSampleEvent({}, { uuid: () => EVENT_ID, now: () => new Date() });
  const startedMs = performance.now();
  for (let run = 0; run < PIPELINE_RUNS; run += 1) {
    if (pipeline.filter(event).matched) await pipeline.process(event, EVENT_ID);
  }
  return ((performance.now() - startedMs) * 1000) / PIPELINE_RUNS;
}

process.on('message', (message) => {
  if (message === 'cpu') {
    const { user, system } = process.cpuUsage();
    process.send?.(user + system);
  } else {
    void pipelineMicros().then((micros) => process.send?.(micros));
  }
});
process.once('disconnect', () => process.exit());
const { port } = await server.start();
process.send?.(port);
