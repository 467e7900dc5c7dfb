import type { ChildProcess } from 'node:child_process';
import { extname } from 'node:path';
import { BridgeError } from '../../errors.ts';
import { createSemaphore } from '../../lib/limits/semaphore.ts';
import { onAbort } from '../../lib/on-abort.ts';
import { startConfined } from './confined-process.ts';
import type { OverrideAnswer, OverrideJob } from './override-child.ts';
import type { StageResults } from './simulate.ts';

export interface OverrideRunnerOptions {
  /** How long a job may run, in milliseconds. */
  readonly timeoutMs: number;
  /** Heap of a child process, in bytes. */
  readonly memoryBytes: number;
  /** Child processes at once. Default 2. */
  readonly concurrency?: number;
  /** Jobs that wait for their turn; more are refused. Default 8. */
  readonly maxWaiting?: number;
}

/**
 * Runs configurations that nobody has vouched for, each in a child process of its own: an endless
 * or hungry expression ends with that process and hurts nobody else. JSONata's guardrails do not
 * reach into its built-in functions, and a worker thread that runs out of memory takes the whole
 * process along.
 */
export interface OverrideRunner {
  /**
   * @throws BridgeError `simulation_limit_exceeded` (details: `exceeded`), `invalid_override`
   *   (details: `part`, `problems`, `position`), `simulation_busy`; the signal's reason.
   */
  run(job: OverrideJob, signal: AbortSignal): Promise<StageResults[]>;
  /** Kills what is running. */
  stop(): Promise<void>;
}

/** For Node to start and load the code; what is being tried has not begun then. */
const START_TIMEOUT_MS = 15_000;

export function createOverrideRunner(options: OverrideRunnerOptions): OverrideRunner {
  const semaphore = createSemaphore({
    places: options.concurrency ?? 2,
    maxWaiting: options.maxWaiting ?? 8,
    refusal: (waiting) =>
      new BridgeError(
        `${waiting} simulations with a configuration of their own are waiting already; try again shortly`,
        { code: 'simulation_busy', kind: 'retry' },
      ),
  });
  const stopping = new AbortController();
  const running = new Set<Promise<unknown>>();

  return {
    async run(job, caller) {
      const signal = AbortSignal.any([caller, stopping.signal]);
      return semaphore.run(async () => {
        const work = runInChild(job, options, signal);
        const settled = work.catch(() => undefined);
        running.add(settled);
        try {
          return await work;
        } finally {
          running.delete(settled);
        }
      }, signal);
    },
    async stop() {
      stopping.abort(
        new BridgeError('The service is stopping', { code: 'stopping', kind: 'retry' }),
      );
      await Promise.all(running);
    },
  };
}

async function runInChild(
  job: OverrideJob,
  options: OverrideRunnerOptions,
  signal: AbortSignal,
): Promise<StageResults[]> {
  signal.throwIfAborted();
  // The build emits .js beside this file, the source runs as .ts.
  const script = new URL(`./override-child${extname(import.meta.url)}`, import.meta.url);
  const child = startConfined(script, options.memoryBytes);
  const exited = endOf(child);
  const kill = () => child.kill('SIGKILL');
  const forget = onAbort(signal, kill);
  let timer = setTimeout(kill, START_TIMEOUT_MS);
  try {
    const ready = await answerOf(child, exited);
    if (ready.kind !== 'ready') throw failed('it did not start');
    clearTimeout(timer);
    let isOverdue = false;
    timer = setTimeout(() => {
      isOverdue = true;
      kill();
    }, options.timeoutMs);
    child.send(job);
    const answer = await answerOf(child, exited);
    if (isOverdue) {
      const message = `The simulation was stopped after ${options.timeoutMs} ms`;
      throw exceeded('time', message, options.timeoutMs);
    }
    return resultsOf(answer, options.memoryBytes);
  } finally {
    clearTimeout(timer);
    forget();
    kill();
    await exited;
    // Whatever the child had to say, nobody is there any more.
    signal.throwIfAborted();
  }
}

interface Death {
  readonly kind: 'died';
  readonly outOfMemory: boolean;
}

type Ending = OverrideAnswer | Death;

function endOf(child: ChildProcess): Promise<Death> {
  return new Promise((resolve) => {
    child.once('exit', (code, by) => {
      // V8 aborts when its heap is full; the kernel kills when the container's memory is.
      const outOfMemory = code === 134 || by === 'SIGABRT' || by === 'SIGKILL' || by === 'SIGTRAP';
      resolve({ kind: 'died', outOfMemory });
    });
    child.on('error', () => {
      // It could not be started. Other errors (a message that found nobody) come with an exit.
      if (child.pid === undefined) resolve({ kind: 'died', outOfMemory: false });
    });
  });
}

async function answerOf(child: ChildProcess, exited: Promise<Death>): Promise<Ending> {
  const answer = new Promise<OverrideAnswer>((resolve) => {
    child.once('message', (message) => resolve(message as OverrideAnswer));
  });
  return Promise.race([answer, exited]);
}

function resultsOf(answer: Ending, memoryBytes: number): StageResults[] {
  switch (answer.kind) {
    case 'done':
      return (JSON.parse(answer.results) as StageResults[]).map(reviveTime);
    case 'exceeded':
      throw exceeded(answer.what, answer.message);
    case 'invalid':
      throw new BridgeError(`The ${answer.part} cannot be used: ${answer.problems.join('; ')}`, {
        code: 'invalid_override',
        kind: 'reject',
        details: { part: answer.part, problems: answer.problems, position: answer.position },
      });
    case 'died':
      if (!answer.outOfMemory) throw failed('it ended without an answer');
      throw exceeded('memory', `The simulation used more than ${memoryBytes} bytes`, memoryBytes);
    case 'failed':
      throw failed(answer.message);
    case 'ready':
      throw failed('it gave a wrong answer');
  }
}

/** JSON has no dates. */
function reviveTime(result: StageResults): StageResults {
  const { processed } = result;
  if (processed?.ok !== true) return result;
  const entry = { ...processed.entry, time: new Date(processed.entry.time) };
  return { ...result, processed: { ...processed, entry } };
}

function exceeded(what: string, message: string, limit?: number): BridgeError {
  return new BridgeError(message, {
    code: 'simulation_limit_exceeded',
    kind: 'reject',
    details: { exceeded: what, limit },
  });
}

function failed(why: string): BridgeError {
  return new BridgeError(`The simulation's own process failed: ${why}`, {
    code: 'simulation_failed',
    kind: 'retry',
  });
}
