import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createRandom } from '../../src/sandbox/random.ts';
import { startSandboxProcess } from '../../test/support/processes.ts';
import { drain } from './drain.ts';
import { createEventAudit, type EventNumbers } from './event-audit.ts';
import { AWS_FAULTS, GENESYS_FAULTS } from './faults.ts';
import { type FaultTally, injectFaults, untilUp } from './injector.ts';
import { fileBytes, readJournal } from './journal-copy.ts';
import { createLives, type Life } from './lives.ts';
import { runLoad } from './load.ts';
import { createProblems, type Problems } from './problems.ts';
import { createRecordBook } from './records.ts';
import { restartNowAndThen } from './restarts.ts';

export interface SoakOptions {
  readonly minutes: number;
  /** Decides which faults come when; the same seed gives the same plan. */
  readonly seed: number;
  /** Events per second, about half of which match the filter. */
  readonly eventsPerSecond: number;
}

export interface SoakResult {
  readonly faults: readonly FaultTally[];
  readonly events: EventNumbers;
  readonly records: {
    readonly written: number;
    readonly verified: number;
    readonly unknown: number;
  };
  readonly requests: ReadonlyMap<string, number>;
  readonly lives: readonly Life[];
  readonly journalBytes: number;
  readonly fingerprintBytes: number;
  readonly drainMs: number | undefined;
  readonly problems: Problems;
}

const DEDUPE_ROWS = 60_000;
const FINGERPRINT_ROWS = 20_000;

/**
 * A small heap, as in a container: with gigabytes to spare V8 lets garbage lie, and a leak could not
 * be told from it.
 */
const HEAP_MIB = 128;

/** Short limits, so that troubles come and go many times in a run; everything else as shipped. */
const SETTINGS = {
  LOG_LEVEL: 'info',
  NODE_OPTIONS: `--max-old-space-size=${HEAP_MIB}`,
  GENESYS_HEADERS_TIMEOUT_MS: '3000',
  GENESYS_RETRY_BASE_MS: '100',
  GENESYS_RETRY_MAX_MS: '2000',
  EVENT_STREAM_RETRY_MAX_MS: '2000',
  EVENT_STREAM_LIVENESS_MS: '3000',
  EVENT_DEDUPE_ROWS: String(DEDUPE_ROWS),
  FINGERPRINT_MAX_ROWS: String(FINGERPRINT_ROWS),
  PERMISSION_CACHE_TTL_SECONDS: '2',
  SCHEMA_CACHE_TTL_SECONDS: '5',
  REPORT_CACHE_TTL_SECONDS: '1',
  AWS_REQUEST_TIMEOUT_MS: '2000',
  PUBLISH_RETRY_BASE_MS: '100',
  PUBLISH_RETRY_MAX_MS: '2000',
  METRICS_INTERVAL_MS: '2000',
  REPORT_INTERVAL_MS: '10000',
  SHUTDOWN_TIMEOUT_MS: '15000',
};

/**
 * The service under all its kinds of load, with faults of everything around it and restarts; then
 * all faults are lifted, the pipeline drains, and every event and record is accounted for.
 *
 * @throws when the sandbox or the service cannot be started, or the signal aborts. Stops its
 *   processes in every case.
 */
export async function runSoak(options: SoakOptions, signal: AbortSignal): Promise<SoakResult> {
  const { minutes, seed } = options;
  const problems = createProblems();
  const folder = mkdtempSync(join(tmpdir(), 'soak-'));
  const journalPath = join(folder, 'journal.db');
  const fingerprintPath = join(folder, 'fingerprints.db');
  const sandbox = await startSandboxProcess({
    SANDBOX_SEED: String(seed),
    SANDBOX_RATE: '0',
    SANDBOX_KEEP_RECORDS: 'max',
    SANDBOX_KEEP_ALIVE_MS: '1000',
    SANDBOX_DUPLICATES_AFTER_RECONNECT: '5',
    SANDBOX_CONVERSATIONS: '5000',
  });
  const lives = createLives({
    problems,
    environment: {
      ...sandbox.environment,
      ...SETTINGS,
      JOURNAL_PATH: journalPath,
      FINGERPRINT_PATH: fingerprintPath,
    },
  });
  /** One part of the run failed: the others must not go on alone. */
  const failed = new AbortController();
  sandbox.child.once('exit', (code, name) =>
    failed.abort(new Error(`The sandbox ended by itself: ${name ?? code}`)),
  );
  try {
    const { control } = sandbox;
    const audit = createEventAudit({ control, problems, remembered: DEDUPE_ROWS });
    const book = createRecordBook(createRandom(seed + 1), problems);
    await lives.start();
    if ((await untilUp(lives, 'all', signal)) === undefined) throw new Error('Not ready in time');

    await control.post('/traffic', { perSecond: options.eventsPerSecond });
    const runMs = minutes * 60_000;
    const over = AbortSignal.any([signal, failed.signal, AbortSignal.timeout(runMs)]);
    const injection = {
      control,
      lives,
      problems,
      maxFaultMs: Math.min(8000, runMs / 30),
      maxRestMs: Math.min(3000, runMs / 60),
      signal: over,
    };
    const [{ requests }, restarts, ...injected] = await Promise.all([
      runLoad({ lives, book, problems, random: createRandom(seed + 2), signal: over }),
      restartNowAndThen({
        lives,
        problems,
        random: createRandom(seed + 3),
        onEnded: () => audit.addJournal(readJournal(journalPath)),
        runMs,
        signal: over,
      }),
      injectFaults({
        ...injection,
        faults: GENESYS_FAULTS,
        concerns: ['token', 'stream', 'permissions', 'attribute-definitions'],
        random: createRandom(seed + 4),
      }),
      injectFaults({
        ...injection,
        faults: AWS_FAULTS,
        concerns: ['bus', 'queue'],
        random: createRandom(seed + 5),
      }),
    ]);
    signal.throwIfAborted();

    const drainMs = await drain({ control, lives, problems, signal });
    const code = await lives.end('SIGTERM');
    if (code !== 0) problems.add('the last stop failed', `exit code ${code}`);
    const journal = readJournal(journalPath);
    audit.addJournal(journal);
    const { records } = await control.get<{ records: { entity: Record<string, unknown> }[] }>(
      '/records?limit=100000000',
    );
    const events = await audit.finish(lives.connectionEnds);
    const verified = book.audit(
      records.map(({ entity }) => entity),
      problems,
    );
    return {
      faults: [...restarts, ...injected.flat()],
      events,
      records: { written: book.written, verified, unknown: book.unknown },
      requests,
      lives: lives.all,
      journalBytes: journal.bytes,
      fingerprintBytes: fileBytes(fingerprintPath),
      drainMs,
      problems,
    };
  } catch (error) {
    throw failed.signal.aborted ? failed.signal.reason : error;
  } finally {
    failed.abort();
    await lives.abandon();
    await sandbox.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
