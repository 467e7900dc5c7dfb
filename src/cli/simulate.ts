// `npm run simulate -- event.json`: what the pipeline would do with events, and why.
import { parseArgs } from 'node:util';
import dotenv from 'dotenv';
import { v7 } from 'uuid';
import { entryLimits } from '../aws/event-bridge.ts';
import { ConfigError, coerceError, messageOf } from '../errors.ts';
import { openPipeline } from '../events/pipeline/live-pipeline.ts';
import { createSampleEvent } from '../events/pipeline/sample-event.ts';
import { openSchemaFile } from '../events/pipeline/schema-file.ts';
import { noSchema } from '../events/pipeline/schema-source.ts';
import { type Simulation, simulate, type TraceStep } from '../events/simulation/simulate.ts';
import { createSimulationTally } from '../events/simulation/tally.ts';
import { readText } from '../lib/files/read-text.ts';
import { readJson } from '../lib/json/exact-json.ts';
import { createLogger } from '../lib/logger.ts';
import type { Environment } from '../settings/load-config.ts';
import { loadOfflineSettings } from './offline-settings.ts';

const USAGE = `Usage: npm run simulate -- [event.json] [--expression file] [--schema file] [--filter file] [--json]
  event.json    one raw event, a list of them, or one a line (.ndjson); none = a made-up one
  --expression  JSONata expression to use instead of EVENT_EXPRESSION_FILE
  --schema      JSON Schema to use instead of EVENT_SCHEMA_FILE
  --filter      filter rules to use instead of EVENT_FILTER_FILE
  --json        print the result of each event as one line of JSON
Exit code: 0 every event would be published, 1 not all of them, 2 the arguments or files are not usable
`;

/** @returns the exit code. */
export async function simulateFile(
  environment: Environment,
  args: readonly string[],
  write: (text: string) => void = (text) => void process.stdout.write(text),
): Promise<number> {
  const text = { type: 'string' } as const;
  let simulations: Simulation[];
  let json = false;
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { expression: text, schema: text, filter: text, json: { type: 'boolean' } },
    });
    if (positionals.length > 1) throw new Error('One file of events is allowed');
    json = values.json ?? false;
    const events = await readEvents(positionals[0]);
    simulations = await simulateAll(environment, events, values);
  } catch (error) {
    const problems = error instanceof ConfigError ? error.problems : [coerceError(error).message];
    write(`${problems.join('\n')}\n\n${USAGE}`);
    return 2;
  }
  const tally = createSimulationTally();
  for (const simulation of simulations) {
    tally.add(simulation);
    write(json ? `${JSON.stringify(simulation)}\n` : textOf(simulation));
  }
  if (!json) write(`${tally.report}\n`);
  return simulations.every(({ outcome }) => outcome === 'publish') ? 0 : 1;
}

async function readEvents(file: string | undefined): Promise<readonly unknown[]> {
  if (file === undefined) return [createSampleEvent({}, { uuid: v7, now: () => new Date() })];
  const text = await readText(file);
  if (/\.(?:ndjson|jsonl)$/.test(file)) {
    const lines = text.split('\n').filter((line) => line.trim() !== '');
    return lines.flatMap((line, index) => named(`${file}: line ${index + 1}`, line));
  }
  const parsed = named(file, text);
  return Array.isArray(parsed) ? (parsed as unknown[]) : [parsed];
}

function named(where: string, text: string): unknown {
  try {
    return readJson(text);
  } catch (error) {
    throw new ConfigError([`${where}: not JSON: ${messageOf(error)}`], { cause: error });
  }
}

async function simulateAll(
  environment: Environment,
  events: readonly unknown[],
  files: { readonly expression?: string; readonly schema?: string; readonly filter?: string },
): Promise<Simulation[]> {
  const { config } = loadOfflineSettings(environment);
  const log = createLogger({ level: 'silent' });
  const mode = files.schema === undefined ? config.EVENT_SCHEMA_MODE : 'enforce';
  const schema =
    mode === 'off'
      ? noSchema()
      : await openSchemaFile({ path: files.schema ?? config.EVENT_SCHEMA_FILE, mode, log });
  try {
    const pipeline = await openPipeline({
      filterFile: files.filter ?? config.EVENT_FILTER_FILE,
      expressionFile: files.expression ?? config.EVENT_EXPRESSION_FILE,
      limits: {
        timeoutMs: config.JSONATA_TIMEOUT_MS,
        maxDepth: config.JSONATA_MAX_DEPTH,
        maxSequence: config.JSONATA_MAX_SEQUENCE,
        compile: config.JSONATA_COMPILE,
      },
      schema,
      log,
    });
    const limits = entryLimits(config.EVENTBUS_MAX_BATCH_BYTES);
    const simulations: Simulation[] = [];
    for (const event of events) {
      simulations.push(await simulate(pipeline, event, { mode, limits }));
    }
    await pipeline.stop();
    return simulations;
  } finally {
    await schema.stop();
  }
}

function textOf(simulation: Simulation): string {
  const lines = simulation.trace.map(
    (step) => `  ${step.ok ? 'ok    ' : 'FAILED'}  ${step.stage.padEnd(9)}  ${textOfStep(step)}`,
  );
  const reason = simulation.error === undefined ? '' : `: ${simulation.error.message}`;
  const result =
    simulation.outcome === 'publish' && simulation.transformedEvent !== null
      ? `\n${JSON.stringify(simulation.transformedEvent, null, 2).replaceAll(/^/gm, '    ')}`
      : '';
  return `${simulation.outcome} (${simulation.latencyMs} ms)${reason}\n${lines.join('\n')}${result}\n`;
}

function textOfStep(step: TraceStep): string {
  if (step.stage === 'read') return step.message;
  const issues =
    'issues' in step ? step.issues.map(({ path, message }) => `${path} ${message}`.trim()) : [];
  switch (step.stage) {
    case 'filter':
      return step.rule === undefined ? (step.reason ?? '') : `rule ${step.rule} (${step.ms} ms)`;
    case 'transform':
      return [`${step.ms} ms`, ...issues].join('; ');
    case 'validate':
      return [`${step.mode}, ${step.ms} ms`, ...issues].join('; ');
    case 'entry':
      return issues.length > 0 ? issues.join('; ') : `${step.bytes} bytes, ${step.chunks} × 64 KB`;
  }
}

if (import.meta.main) {
  dotenv.config({ quiet: true });
  process.exitCode = await simulateFile(process.env, process.argv.slice(2));
}
