import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setPriority } from 'node:os';
import { onTestFinished } from 'vitest';
import type { Control } from '../../support/control.ts';

/** What a prober asks. */
export interface Question {
  readonly url: string;
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
  /** Of this machine, another one than the attackers have. */
  readonly localAddress?: string;
}

export interface Seen {
  readonly p99Ms: number;
  /** Why, of each that was not answered with 200 in time. */
  readonly failures: readonly string[];
}

/** Where that may be said: other work on this machine counts less. */
const NICENESS = -10;

/** Asks from a process of its own until the test ends; gives what it saw since the last look. */
export function startProber(question: Question): () => Promise<Seen> {
  const prober = fork(new URL('prober.ts', import.meta.url), [JSON.stringify(question)], {
    execArgv: [],
  });
  onTestFinished(() => void prober.kill());
  preferOver(prober.pid);
  return async () => {
    const told = once(prober, 'message');
    prober.send('tell');
    const [{ tookMs, failures }] = (await told) as [{ tookMs: number[]; failures: string[] }];
    const sorted = tookMs.toSorted((a, b) => a - b);
    return { p99Ms: sorted[Math.floor(sorted.length * 0.99)] ?? 0, failures };
  };
}

/** As if the machine were there for this process alone; only root may say so. */
export function preferOver(pid: number | undefined): void {
  try {
    setPriority(pid ?? 0, NICENESS);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_SYSTEM_ERROR') throw error;
  }
}

/** What was published, and how the probes went, since the last look. */
export function createWatch(control: Control, lookAtProbes: () => Promise<Seen>) {
  let sinceMs = performance.now();
  let countBefore = 0;
  return async () => {
    const { p99Ms: livezP99Ms, failures } = await lookAtProbes();
    const { count } = await control.get<{ count: number }>('/events?limit=1');
    const nowMs = performance.now();
    const tookMs = nowMs - sinceMs;
    const publishedPerSecond = ((count - countBefore) * 1000) / tookMs;
    sinceMs = nowMs;
    countBefore = count;
    return { tookMs, publishedPerSecond, livezP99Ms, failures };
  };
}
