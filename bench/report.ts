// GET /report over 1,000,000 conversations: pages a second against a bare loop over the same pages
// in the same run, and the growth of memory over rest. Service, sandbox and bare loop are processes
// of their own.
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { request } from 'undici';
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
import { REST_MS } from './start.ts';

const runFile = promisify(execFile);
const BARE = fileURLToPath(new URL('./report-bare.ts', import.meta.url));
const LANES = 4;
const DAYS = 30;
const FROM = '2026-10-01T00:00:00Z';
const TO = '2026-10-31T00:00:00Z';
/** Of a flat report: two for each lane, cut at midnights. */
const FLAT_WINDOWS = Math.ceil(DAYS / Math.ceil(DAYS / (2 * LANES)));

const QUESTIONS = {
  flat: { query: 'attrs=crm_ticket_priority,crm_channel_source', windows: FLAT_WINDOWS },
  detail: {
    query: 'detail=true&attrs=crm_ticket_priority,crm_channel_source,crm_ticket_id',
    windows: DAYS,
  },
} as const;

const SIZES = {
  full: { conversations: 1_000_000, rounds: 5 },
  quick: { conversations: 100_000, rounds: 1 },
};

export async function run(quick: boolean): Promise<BenchResult> {
  const { conversations, rounds } = SIZES[quick ? 'quick' : 'full'];
  const sandbox = await startSandboxProcess({
    SANDBOX_RATE: '0',
    SANDBOX_CONVERSATIONS: String(conversations),
  });
  try {
    const flat = await compare(sandbox, QUESTIONS.flat, rounds);
    const detail = await compare(sandbox, QUESTIONS.detail, rounds);
    return {
      bench: 'report',
      rows: [...rowsOf('flat', flat), ...rowsOf('detail', detail)],
      notes: [
        `${conversations.toLocaleString('en-US')} conversations of ${DAYS} days in pages of 1000; ${rounds} rounds in turns, ${LANES} lanes and the same windows on both sides`,
        'detail: three attributes, one of them with a value of its own in each conversation',
        'memory: VmHWM of a fresh service, against its VmRSS at rest before the first report',
      ],
    };
  } finally {
    await sandbox.stop();
  }
}

interface Measured {
  readonly bare: readonly BareRates[];
  readonly served: readonly number[];
  /** Over rest, after the first report and after all. */
  readonly grownMiB: readonly [first: number, all: number];
}

function rowsOf(name: string, { bare, served, grownMiB }: Measured): BenchResult['rows'] {
  return [
    ...bareRows(`${name}: bare loop`, 'pages/s', bare, served),
    {
      name: `${name}: GET /report`,
      unit: 'pages/s',
      values: served,
      ratio: {
        to: 'bare loop as a script',
        value: ratioOf(
          served,
          bare.map(({ asScript }) => asScript),
        ),
        goal: 'at least 0.70',
      },
    },
    {
      name: `${name}: peak memory over rest, one report`,
      unit: 'MiB',
      values: [grownMiB[0]],
      goal: 'less than 150',
    },
    {
      name: `${name}: the same after all reports`,
      unit: 'MiB',
      values: [grownMiB[1]],
    },
  ];
}

async function compare(
  sandbox: SandboxProcess,
  question: (typeof QUESTIONS)[keyof typeof QUESTIONS],
  rounds: number,
): Promise<Measured> {
  const service = await startProcess(
    {
      ...sandbox.environment,
      WORKER_ENABLED: 'false',
      GENESYS_REQUESTS_PER_MINUTE: '1000000',
      REPORT_WINDOWS_IN_FLIGHT: String(LANES),
      REPORT_CACHE_TTL_SECONDS: '0',
    },
    { waitFor: '/readyz', nodeArguments: profileArguments },
  );
  const bare: BareRates[] = [];
  const served: number[] = [];
  try {
    await sleep(REST_MS);
    const restBytes = memoryBytes(service.pid, 'VmRSS');
    const grownMiB = () => (memoryBytes(service.pid, 'VmHWM') - restBytes) / 1_048_576;
    let first = 0;
    // The first round warms up the service and is not counted.
    for (let round = 0; round <= rounds; round += 1) {
      const reference = await runBare(sandbox, question.windows);
      const elapsedMs = await report(service, question.query);
      if (round === 0) {
        first = grownMiB();
        continue;
      }
      bare.push(reference);
      served.push((reference.pages / elapsedMs) * 1000);
    }
    return { bare, served, grownMiB: [first, grownMiB()] };
  } finally {
    await service.stop();
  }
}

async function report(service: ServiceProcess, query: string): Promise<number> {
  const startedMs = performance.now();
  const { statusCode, body } = await request(
    `${service.url}/report?${query}&from=${FROM}&to=${TO}`,
    { headersTimeout: 0, bodyTimeout: 0 },
  );
  const text = await body.text();
  const elapsedMs = performance.now() - startedMs;
  if (statusCode !== 200) throw new Error(`The report went wrong: ${statusCode} ${text}`);
  return elapsedMs;
}

async function runBare(
  { url, environment }: SandboxProcess,
  windows: number,
): Promise<BareRates & { pages: number }> {
  const { stdout } = await runFile(process.execPath, [
    BARE,
    url,
    environment['GENESYS_CLIENT_ID'] ?? '',
    environment['GENESYS_CLIENT_SECRET'] ?? '',
    FROM,
    TO,
    String(windows),
    String(LANES),
  ]);
  return JSON.parse(stdout) as BareRates & { pages: number };
}
