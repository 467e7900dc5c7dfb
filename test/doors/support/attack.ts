// The compiled service as a process of its own, in production mode, with the defaults, the memory
// and the port for the probes that the manifest gives it; events flow, an orchestrator asks, and
// somebody attacks.
import { writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { digestOf } from '../../../src/http/auth/api-keys.ts';
import {
  memoryBytes,
  type SandboxProcess,
  type ServiceProcess,
  startProcess,
  startSandboxProcess,
} from '../../support/processes.ts';
import { readContainer } from './container.ts';
import { createWatch, preferOver, startProber } from './watch.ts';

/** A row of the table at the end of the run. */
export interface AttackFacts {
  readonly attack: string;
  readonly tried: string;
  readonly forMs: number;
  readonly peakBytes: number;
  readonly livezP99Ms: number;
  readonly livezFailed: number;
  readonly publishedBefore: number;
  readonly publishedDuring: number;
}

declare module 'vitest' {
  interface TaskMeta {
    attack?: AttackFacts;
  }
}

export interface Target {
  readonly service: ServiceProcess;
  readonly sandbox: SandboxProcess;
  readonly port: number;
  /** Headers of a caller with every role. */
  readonly credentials: Readonly<Record<'x-api-key', string>>;
  /** Aborts when the time is over. */
  readonly signal: AbortSignal;
}

export interface Attack {
  readonly attack: string;
  readonly forMs: number;
  /** Beyond the defaults: only what the attack is about, never a bound of the service. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The attack is about who reads the log: it goes to a pipe, which a slow reader could hold up. */
  readonly logsToPipe?: boolean;
  /** Default 150. */
  readonly eventsPerSecond?: number;
  /** Goes on until the signal aborts. @returns what was tried and what came of it, for the table. */
  readonly run: (target: Target) => Promise<string>;
  /** Ends the service while the attack goes on, in place of the look at it afterwards. */
  readonly ends?: (service: ServiceProcess) => Promise<void>;
}

const EVENTS_PER_SECOND = 150;
const WARM_UP_MS = 1500;
const BASELINE_MS = 3000;
/** What operators are promised. */
const LIVEZ_P99_MS = 100;
/** On a machine that is so busy with other things that it is late without any attack. */
const LATER = 5;
const PUBLISHED_SHARE = 0.8;
/** The attackers stand on another machine in truth: here they give way to the service. */
const ATTACKER_NICENESS = 15;
const KEY = 'ib_attacker';

/** An attack that must do nothing: see `expect` below for what that means. */
export function testAttack(options: Attack): void {
  const { attack, forMs, run, ends } = options;
  test(`${attack} does nothing`, async ({ task }) => {
    const container = readContainer();
    const { service, sandbox, look } = await startScene(container.runtimeFlags, options);
    // Until it flows evenly.
    await sleep(WARM_UP_MS);
    await look();
    await sleep(BASELINE_MS);
    const before = await look();

    forgetPeak(service.pid);
    const stop = AbortSignal.timeout(forMs);
    const credentials = { 'x-api-key': KEY };
    const port = Number(new URL(service.url).port);
    const target = { service, sandbox, port, credentials, signal: stop };
    const tried = await run(target);
    const during = await look();
    const isAlive = service.child.exitCode === null && service.child.signalCode === null;
    task.meta.attack = {
      attack,
      tried: isAlive ? tried : `${tried}; ENDED THE PROCESS`,
      forMs: during.tookMs,
      peakBytes: isAlive ? memoryBytes(service.pid, 'VmHWM') : Number.NaN,
      livezP99Ms: during.livezP99Ms,
      livezFailed: during.failures.length,
      publishedBefore: before.publishedPerSecond,
      publishedDuring: during.publishedPerSecond,
    };
    expect(isAlive, 'the process goes on').toBe(true);
    expect(during.failures, 'every probe is answered').toEqual([]);
    expect(task.meta.attack.peakBytes).toBeLessThan(container.memoryBytes);
    expect(during.livezP99Ms).toBeLessThan(Math.max(LIVEZ_P99_MS, LATER * before.livezP99Ms));
    expect(during.publishedPerSecond).toBeGreaterThan(PUBLISHED_SHARE * before.publishedPerSecond);
    expect(service.log.filter(({ level }) => level === 'fatal')).toEqual([]);
    if (ends !== undefined) {
      await ends(service);
      return;
    }
    const answer = await fetch(`${service.url}/simulate`, { method: 'POST', headers: credentials });
    expect(answer.status, 'honest callers are served afterwards').toBe(200);
    await (await service.until('/readyz')).text();
  });
}

async function startScene(
  runtimeFlags: readonly string[],
  { settings, logsToPipe = false, eventsPerSecond = EVENTS_PER_SECOND }: Attack,
) {
  const sandbox = await startSandboxProcess({
    SANDBOX_RATE: '0',
    SANDBOX_OTHER_SHARE: '0',
    SANDBOX_MALFORMED_SHARE: '0',
    SANDBOX_KEEP_EVENTS: '1000',
    SANDBOX_KEEP_RECORDS: '1000',
  });
  onTestFinished(() => sandbox.stop());
  const service = await startProcess(
    {
      // First, because it says that nobody is asked for credentials.
      ...sandbox.environment,
      NODE_ENV: 'production',
      AUTH_MODE: 'api-key',
      API_KEYS: `attacker:map+report+simulate+operate:${digestOf(KEY).toString('hex')}`,
      PROBE_PORT: '0',
      ...settings,
    },
    {
      main: 'dist/main.js',
      nodeArguments: runtimeFlags,
      waitFor: '/readyz',
      logsToFile: !logsToPipe,
    },
  );
  onTestFinished(() => void service.stop('SIGKILL'));
  await sandbox.control.post('/traffic', { perSecond: eventsPerSecond });
  const { probePort } = service.log.find(({ msg }) => msg === 'Listening') ?? {};
  const probes = `http://127.0.0.1:${String(probePort)}`;
  const look = createWatch(sandbox.control, startProber({ url: `${probes}/livez` }));
  for (const { pid } of [service, sandbox.child]) preferOver(pid);
  setPriority(ATTACKER_NICENESS);
  return { service, sandbox, look };
}

/** `VmHWM` counts from here on. */
function forgetPeak(pid: number): void {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
}
