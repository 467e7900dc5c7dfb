// Runs the sandbox and the service as processes of their own, as operators do.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdtempSync, openSync, readFileSync, readSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { type Control, createControl } from './control.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const START_TIMEOUT_MS = 20_000;
/** The runtime's flags as `npm start` and the image have them, and what the former starts. */
const [, ...RUNTIME_FLAGS] = startScript().split(' ');
const MAIN = RUNTIME_FLAGS.pop() ?? '';

export interface SandboxProcess {
  readonly url: string;
  /** Settings and AWS variables that point a service at it. */
  readonly environment: Readonly<Record<string, string>>;
  readonly control: Control;
  readonly child: ChildProcess;
  stop(): Promise<void>;
}

export interface ServiceProcess {
  readonly url: string;
  readonly pid: number;
  readonly child: ChildProcess;
  /** Everything it has logged so far, parsed; lines that are no JSON as `{text}`. */
  readonly log: readonly Readonly<Record<string, unknown>>[];
  /** Waits until the path answers with `status` (default 200). */
  until(path: string, status?: number): Promise<Response>;
  /** Ends it and waits; returns its exit code, or `undefined` when a signal ended it. */
  stop(signal?: NodeJS.Signals): Promise<number | undefined>;
}

/** Starts `src/sandbox/main.ts`; `options` are its `SANDBOX_…` variables. */
export async function startSandboxProcess(
  options: Readonly<Record<string, string>> = {},
): Promise<SandboxProcess> {
  const child = spawn(process.execPath, ['src/sandbox/main.ts'], {
    cwd: ROOT,
    env: { PATH: process.env['PATH'], SANDBOX_EXIT_WITH_PARENT: 'true', ...options },
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const environment: Record<string, string> = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [, name, value] = /^([A-Z_]+)="?(.*?)"?$/.exec(line) ?? [];
    if (name !== undefined && value !== undefined) environment[name] = value;
    if (line === '# ready') break;
  }
  child.stdout.resume();
  const url = environment['GENESYS_BASE_URL'] ?? '';
  const control = createControl(url);
  return { url, environment, control, child, stop: async () => void (await end(child, 'SIGTERM')) };
}

/**
 * Starts `main`, by default what `npm start` does, on a free port and waits until `waitFor` answers
 * 200. Its journal and fingerprints go with it, unless the environment says where they are.
 */
export async function startProcess(
  environment: Readonly<Record<string, string>>,
  options: {
    readonly waitFor?: string;
    readonly nodeArguments?: readonly string[];
    readonly main?: string;
    /** In place of those of `npm start`. */
    readonly flags?: readonly string[];
    /** Writes its log to a file: then a reader that is slow does not hold it up. Default: a pipe. */
    readonly logsToFile?: boolean;
  } = {},
): Promise<ServiceProcess> {
  const { waitFor, nodeArguments = [], main = MAIN, flags = RUNTIME_FLAGS } = options;
  const { logsToFile = false } = options;
  const folder = mkdtempSync(join(tmpdir(), 'service-'));
  const logFile = logsToFile ? openSync(join(folder, 'log'), 'w+') : undefined;
  const child = spawn(process.execPath, [...flags, ...nodeArguments, main], {
    cwd: ROOT,
    env: {
      PATH: process.env['PATH'],
      HOST: '127.0.0.1',
      PORT: '0',
      JOURNAL_PATH: join(folder, 'journal.db'),
      FINGERPRINT_PATH: join(folder, 'fingerprints.db'),
      ...environment,
    },
    stdio: ['ignore', logFile ?? 'pipe', 'inherit'],
  });
  child.once('exit', () => rmSync(folder, { recursive: true }));
  const log: Record<string, unknown>[] = [];
  const listening = Promise.withResolvers<number>();
  child.once('exit', (code) =>
    listening.reject(new Error(`The service ended with ${code} before it listened`)),
  );
  const input = logFile === undefined ? (child.stdout as Readable) : follow(logFile, child);
  createInterface({ input }).on('line', (line) => {
    let entry: Record<string, unknown>;
    try {
      entry = JSON.parse(line) as Record<string, unknown>;
    } catch {
      entry = { text: line };
    }
    log.push(entry);
    if (entry['msg'] === 'Listening') listening.resolve(Number(entry['port']));
  });
  const url = `http://127.0.0.1:${await listening.promise}`;

  async function until(path: string, status = 200): Promise<Response> {
    const deadline = Date.now() + START_TIMEOUT_MS;
    for (;;) {
      const answer = await fetch(url + path).catch(() => undefined);
      if (answer?.status === status) return answer;
      const text = await answer?.text();
      if (Date.now() > deadline)
        throw new Error(`${path} is not ${status}: ${text ?? 'no answer'}`);
      await sleep(10);
    }
  }

  if (waitFor !== undefined) await (await until(waitFor)).text();
  return {
    url,
    pid: child.pid ?? 0,
    child,
    log,
    until,
    stop: (signal = 'SIGTERM') => end(child, signal),
  };
}

/** What is written to the file, until the process has ended. */
function follow(file: number, child: ChildProcess): Readable {
  let position = 0;
  return Readable.from(
    (async function* () {
      for (;;) {
        const hasEnded = child.exitCode !== null || child.signalCode !== null;
        const buffer = Buffer.alloc(65_536);
        const bytes = readSync(file, buffer, 0, buffer.length, position);
        position += bytes;
        if (bytes > 0) yield buffer.subarray(0, bytes);
        else if (hasEnded) break;
        else await sleep(20);
      }
      closeSync(file);
    })(),
  );
}

/** Resident memory now, or the most there ever was. */
export function memoryBytes(pid: number, field: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const [, kilobytes] = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`The process ${pid} has ended`);
  return Number(kilobytes) * 1024;
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | undefined> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode ?? undefined;
}

function startScript(): string {
  const text = readFileSync(new URL('../../package.json', import.meta.url), 'utf8');
  return (JSON.parse(text) as { scripts: { start: string } }).scripts.start;
}
