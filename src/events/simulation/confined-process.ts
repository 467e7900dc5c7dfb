import { type ChildProcess, fork } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';

/** Of Node itself, its code and what V8 has outside of the heap, in bytes. */
const BESIDE_HEAP_BYTES = 268_435_456;
const WATCH_EVERY_MS = 50;

/**
 * A process for code of others. It has no environment, reads nothing but this service's own code
 * and packages, writes no file, starts no process and no thread, and takes no debugger: Node's
 * permission model. What that leaves open, `lockIn` closes from within. Where there is a /proc, it
 * is killed when all of its memory is more than the two bounds together.
 */
export function startConfined(
  script: URL,
  heapBytes: number,
  besideHeapBytes = BESIDE_HEAP_BYTES,
): ChildProcess {
  const child = fork(script, {
    execArgv: confinedArguments(heapBytes),
    env: {},
    // What V8 writes when its heap is full is of no use to anybody.
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  watchMemory(child, heapBytes + besideHeapBytes);
  return child;
}

/** For Node, before the script. */
export function confinedArguments(heapBytes: number): string[] {
  return [
    `--max-old-space-size=${Math.floor(heapBytes / 1_048_576)}`,
    '--permission',
    ...readable().map((path) => `--allow-fs-read=${path}`),
    '--disable-sigusr1',
  ];
}

/** Code, packages and what says how to read them; beside them lie `.env`, `config` and `data`. */
function readable(): string[] {
  const root = new URL('../../../', import.meta.url);
  const packages = fileURLToPath(new URL('node_modules/', root));
  return [
    fileURLToPath(new URL('../../', import.meta.url)),
    packages,
    // Where it is a link: what it leads to.
    `${realpathSync(packages)}/`,
    fileURLToPath(new URL('package.json', root)),
  ];
}

function watchMemory(child: ChildProcess, maxBytes: number): void {
  const { pid } = child;
  if (pid === undefined) return;
  // If the machine's memory is short, this one goes first.
  writeFile(`/proc/${pid}/oom_score_adj`, '1000').catch(() => undefined);
  const timer = setInterval(() => {
    // None: it has just ended, or this system has no /proc.
    residentBytes(pid)
      .then((bytes) => bytes > maxBytes && child.kill('SIGKILL'))
      .catch(() => clearInterval(timer));
  }, WATCH_EVERY_MS).unref();
  child.once('exit', () => clearInterval(timer));
}

async function residentBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}
