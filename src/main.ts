// The process: runtime check, environment, sandbox when nothing is configured, signals, exit codes.
const [major = 0] = process.versions.node.split('.').map(Number);
if (major < 24) {
  process.stderr.write(
    `Interaction Bridge needs Node 24 or newer; this is ${process.version}. "npm start" brings its own.\n`,
  );
  process.exit(1);
}

// Loaded only now: an older runtime cannot even read what follows.
const { setTimeout: sleep } = await import('node:timers/promises');
const { default: dotenv } = await import('dotenv');
const { hasGenesysCredentials, isProduction, loadConfig } = await import(
  './settings/load-config.ts'
);
const { createApp } = await import('./app.ts');
const { ConfigError } = await import('./errors.ts');
const { openLogOutput } = await import('./lib/limits/log-output.ts');
const { createLogger } = await import('./lib/logger.ts');
const { createReleasers } = await import('./lib/releasers.ts');
const { FLUSH_MS, onSignals } = await import('./signals.ts');

/** EX_CONFIG of sysexits.h: restarting will not help, somebody has to mend the settings. */
const EXIT_BAD_CONFIGURATION = 78;

// Whatever is written, by SQLite too, is for this user alone.
process.umask(0o077);
dotenv.config({ quiet: true });
// Nobody may be there to read it, which is no reason to end.
process.stderr.on('error', () => undefined);
const output = openLogOutput();
const releasers = createReleasers();
let environment: NodeJS.ProcessEnv = process.env;
let banner: ((port: number) => string) | undefined;

try {
  const isJournalCommand = process.argv[2]?.startsWith('--journal-') === true;
  if (!isJournalCommand) await startTrialWithoutCredentials();
  if (isJournalCommand) await journal();
  else if (process.argv.includes('--check')) await check();
  else await serve();
} catch (error) {
  const told = new Promise((resolve) => process.stderr.write(explain(error), resolve));
  await releasers.release().catch(() => undefined);
  await Promise.race([Promise.all([told, output.flush(FLUSH_MS)]), sleep(FLUSH_MS)]);
  process.exit(error instanceof ConfigError ? EXIT_BAD_CONFIGURATION : 1);
}

async function startTrialWithoutCredentials(): Promise<void> {
  if (hasGenesysCredentials(environment) || isProduction(environment)) return;
  const { startForTrial } = await import('./sandbox/trial.ts');
  const trial = await startForTrial(environment).catch((error: unknown) => {
    if (!(error instanceof Error && 'syscall' in error && error.syscall === 'mkdtemp')) throw error;
    throw new ConfigError([`TMPDIR: no folder can be made there: ${error.message}`], {
      cause: error,
    });
  });
  releasers.push('sandbox', () => trial.stop());
  // The AWS SDK reads its credentials from the process' environment and nowhere else.
  Object.assign(process.env, trial.environment);
  environment = process.env;
  banner = (port) => trial.banner(port);
}

async function check(): Promise<void> {
  const { checkAll } = await import('./cli/check/check-command.ts');
  const { checkRemote } = await import('./cli/check/reachability.ts');
  process.exitCode = await checkAll(environment, process.argv.slice(2), { checkRemote });
  await releasers.release();
}

async function journal(): Promise<void> {
  const { journalCommand } = await import('./cli/journal.ts');
  process.exitCode = await journalCommand(environment, process.argv.slice(2));
}

async function serve(): Promise<void> {
  const config = loadConfig(environment);
  const log = createLogger({ level: config.LOG_LEVEL, destination: output });
  const app = createApp(config, { log, output });
  releasers.push('app', () => app.stop());
  onSignals({
    log,
    output,
    timeoutMs: config.SHUTDOWN_TIMEOUT_MS,
    stop: () => releasers.release(),
    toggleLogLevel: () => app.toggleDebugLog(),
  });
  const { port } = await app.start();
  if (banner !== undefined) output.write(banner(port));
}

function explain(error: unknown): string {
  if (error instanceof ConfigError) {
    const problems = error.problems.map((problem) => `  - ${problem}\n`).join('');
    return (
      `The service cannot start like this (${error.code}):\n${problems}` +
      'See docs/configuration.md or .env.example for every setting.\n'
    );
  }
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return `Interaction Bridge could not start: ${reason}\n`;
}
