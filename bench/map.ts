// POST /map against a Genesys that answers at once: rate by NDJSON against a bare loop of the same
// run, growth of memory, what a thousand small requests ask, and calls wasted under a rate limit.
// Service, sandbox and bare loop are processes of their own.
import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { finished } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Agent, request } from 'undici';
import {
  memoryBytes,
  type SandboxProcess,
  type ServiceProcess,
  startProcess,
  startSandboxProcess,
} from '../test/support/processes.ts';
import type { BareRates } from './bare-client.ts';
import { profileArguments } from './profile.ts';
import { type BenchResult, bareRows, ratioOf } from './result.ts';

const run1 = promisify(execFile);
const BARE = fileURLToPath(new URL('./map-bare.ts', import.meta.url));
const BATCH_SIZE = 1000;
const IN_FLIGHT = 4;

const SIZES = {
  full: {
    /** Of the comparison. */
    records: 100_000,
    rounds: 5,
    /** Of the large import whose memory is compared with one of 10,000. */
    manyRecords: 1_000_000,
    /** Writes under a limit of 300 requests a minute: more than one minute allows. */
    limitedWrites: 400,
  },
  quick: { records: 20_000, rounds: 1, manyRecords: 50_000, limitedWrites: 100 },
};

interface Summary {
  readonly success: boolean;
  readonly written: number;
}

export async function run(quick: boolean): Promise<BenchResult> {
  const { records, rounds, manyRecords, limitedWrites } = SIZES[quick ? 'quick' : 'full'];
  const folder = await mkdtemp(join(tmpdir(), 'bench-map-'));
  try {
    const compared = await compare(folder, records, rounds);
    const grownMiB = await memoryGrowth(folder, manyRecords);
    const asked = await askedByManyRequests();
    const limited = await underRateLimit(folder, limitedWrites);
    return {
      bench: 'map',
      rows: [
        ...bareRows('bare loop', 'records/s', compared.bare, compared.service),
        {
          name: 'POST /map, NDJSON',
          unit: 'records/s',
          values: compared.service,
          ratio: {
            to: 'bare loop as a script',
            value: ratioOf(
              compared.service,
              compared.bare.map(({ asScript }) => asScript),
            ),
            goal: 'at least 0.50',
          },
        },
        {
          name: `peak memory, 10,000 → ${manyRecords.toLocaleString('en-US')} records`,
          unit: 'MiB more',
          values: [grownMiB],
          goal: 'at most 120',
        },
        {
          name: '1,000 small requests at once: permission asked',
          unit: 'calls',
          values: [asked.permissions],
          goal: '1',
        },
        {
          name: '1,000 small requests at once: definitions asked',
          unit: 'pages',
          values: [asked.definitions],
          goal: `${asked.pages} (each once)`,
        },
        {
          name: 'calls answered 429 under 300 requests a minute',
          unit: '%',
          values: [limited.wastedPercent],
          goal: 'at most 2',
        },
      ],
      notes: [
        `${records} records of ${compared.bytesPerRecord} bytes, ${rounds} rounds in turns; batches of ${BATCH_SIZE}, ${IN_FLIGHT} in flight, on both sides`,
        'the service gets the records over HTTP from a third process, the bare loop reads a file; both send the same bodies',
        'memory: VmHWM of a fresh service, after 10,000 records and after the large import',
        `rate limit: a real one, ${limited.calls} calls in ${Math.round(limited.seconds)} s, ${limited.records} records all written (batches of 10, to make it many calls)`,
      ],
    };
  } finally {
    await rm(folder, { recursive: true });
  }
}

async function compare(folder: string, records: number, rounds: number) {
  const file = join(folder, 'records.ndjson');
  const bytes = await writeRecords(file, records);
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '0', SANDBOX_KEEP_RECORDS: '1000' });
  const service = await startService(sandbox, { MAP_BATCH_SIZE: String(BATCH_SIZE) });
  const bare: BareRates[] = [];
  const served: number[] = [];
  try {
    // The first round warms up the service and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const rates = await runBare(file, sandbox);
      const startedMs = performance.now();
      await importFile(service, file, records);
      const serviceRate = (records / (performance.now() - startedMs)) * 1000;
      if (round === 0) continue;
      bare.push(rates);
      served.push(serviceRate);
    }
  } finally {
    await service.stop();
    await sandbox.stop();
  }
  return { bare, service: served, bytesPerRecord: Math.round(bytes / records) };
}

async function memoryGrowth(folder: string, manyRecords: number): Promise<number> {
  const few = join(folder, 'few.ndjson');
  const many = join(folder, 'many.ndjson');
  await writeRecords(few, 10_000);
  await writeRecords(many, manyRecords);
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '0', SANDBOX_KEEP_RECORDS: '1000' });
  const service = await startService(sandbox);
  try {
    await importFile(service, few, 10_000);
    const before = memoryBytes(service.pid, 'VmHWM');
    await importFile(service, many, manyRecords);
    return (memoryBytes(service.pid, 'VmHWM') - before) / 1_048_576;
  } finally {
    await service.stop();
    await sandbox.stop();
    await rm(many);
  }
}

async function askedByManyRequests() {
  const sandbox = await startSandboxProcess({ SANDBOX_RATE: '0' });
  const service = await startService(sandbox, {});
  const agent = new Agent({ connections: 1000 });
  try {
    await sandbox.control.post('/reset');
    const answers = await Promise.all(
      Array.from({ length: 1000 }, async (_, index) => {
        const { statusCode, body } = await request(`${service.url}/map`, {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({
            orgId: 'acme-emea-support',
            records: [{ ticketId: `S${index}`, priority: 'low' }],
          }),
          dispatcher: agent,
        });
        await body.dump();
        return statusCode;
      }),
    );
    const bad = answers.filter((status) => status !== 200).length;
    if (bad > 0) throw new Error(`${bad} of 1000 small requests were not answered 200`);
    const counts = await countsOf(sandbox);
    return {
      permissions: sum(counts['genesys.permissions']),
      definitions: sum(counts['genesys.customattributes.list']),
      // Two levels with one page, the root with two.
      pages: 4,
    };
  } finally {
    await agent.close();
    await service.stop();
    await sandbox.stop();
  }
}

async function underRateLimit(folder: string, writes: number) {
  const file = join(folder, 'limited.ndjson');
  const records = writes * 10;
  await writeRecords(file, records);
  const sandbox = await startSandboxProcess({
    SANDBOX_RATE: '0',
    SANDBOX_RATE_LIMIT_PER_MINUTE: '300',
  });
  // A latency above the target keeps the batches at their smallest.
  await sandbox.control.post('/faults', {
    target: 'genesys.customattributes.batch',
    latencyMs: 20,
  });
  const service = await startService(sandbox, {
    MAP_BATCH_SIZE: '10',
    MAP_MIN_BATCH_SIZE: '10',
    MAP_TARGET_LATENCY_MS: '1',
  });
  try {
    const before = await countsOf(sandbox);
    const startedMs = performance.now();
    await importFile(service, file, records);
    const seconds = (performance.now() - startedMs) / 1000;
    const counts = await countsOf(sandbox);
    const calls = ofGenesys(counts) - ofGenesys(before);
    const wasted = ofGenesys(counts, '429') - ofGenesys(before, '429');
    return { calls, records, seconds, wastedPercent: (wasted / calls) * 100 };
  } finally {
    await service.stop();
    await sandbox.stop();
  }
}

async function startService(
  sandbox: SandboxProcess,
  settings: Readonly<Record<string, string>> = {},
): Promise<ServiceProcess> {
  return startProcess(
    {
      ...sandbox.environment,
      WORKER_ENABLED: 'false',
      LOG_LEVEL: 'info',
      GENESYS_REQUESTS_PER_MINUTE: '1000000',
      HTTP_RATE_LIMIT_PER_MINUTE: '0',
      MAP_MAX_IN_FLIGHT: String(IN_FLIGHT),
      ...settings,
    },
    { waitFor: '/readyz', nodeArguments: profileArguments },
  );
}

async function importFile(service: ServiceProcess, file: string, records: number): Promise<void> {
  const { statusCode, body } = await request(`${service.url}/map?orgId=acme`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
    body: createReadStream(file),
    headersTimeout: 0,
    bodyTimeout: 0,
  });
  let tail = '';
  for await (const chunk of body) tail = (tail + String(chunk)).slice(-20_000);
  const last = tail.trimEnd().split('\n').at(-1) ?? '';
  const { summary } = JSON.parse(last) as { summary?: Summary };
  if (statusCode !== 200 || summary?.success !== true || summary.written !== records) {
    throw new Error(`The import went wrong: ${statusCode} ${last.slice(0, 500)}`);
  }
}

async function runBare(file: string, { url, environment }: SandboxProcess): Promise<BareRates> {
  const { stdout } = await run1(process.execPath, [
    BARE,
    file,
    url,
    environment['GENESYS_CLIENT_ID'] ?? '',
    environment['GENESYS_CLIENT_SECRET'] ?? '',
    String(BATCH_SIZE),
    String(IN_FLIGHT),
  ]);
  return JSON.parse(stdout) as BareRates;
}

/** @returns the size in bytes. */
async function writeRecords(file: string, count: number): Promise<number> {
  const stream = createWriteStream(file);
  const priorities = ['low', 'medium', 'high', 'critical'];
  const channels = ['web', 'phone', 'mail', 'chat', 'store'];
  let bytes = 0;
  for (let index = 0; index < count; index += 1) {
    const line = `${JSON.stringify({
      id: `T${index}`,
      ticketId: `T${index}`,
      priority: priorities[index % 4],
      sourceChannel: channels[index % 5],
      subject: 'Cannot log in since this morning',
    })}\n`;
    bytes += line.length;
    if (!stream.write(line)) await once(stream, 'drain');
  }
  stream.end();
  await finished(stream);
  return bytes;
}

async function countsOf(sandbox: SandboxProcess): Promise<Record<string, Record<string, number>>> {
  const { counts } = await sandbox.control.get<{
    counts: Record<string, Record<string, number>>;
  }>('/requests?limit=1');
  return counts;
}

function ofGenesys(counts: Record<string, Record<string, number>>, end?: string): number {
  return Object.entries(counts)
    .filter(([name]) => name.startsWith('genesys.'))
    .reduce((total, [, ends]) => total + (end === undefined ? sum(ends) : (ends[end] ?? 0)), 0);
}

function sum(ends: Readonly<Record<string, number>> | undefined): number {
  return Object.values(ends ?? {}).reduce((total, count) => total + count, 0);
}
