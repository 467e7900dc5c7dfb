import { setTimeout as sleep } from 'node:timers/promises';
import type { FaultRule } from '../../src/sandbox/faults.ts';
import type { Control } from '../../test/support/control.ts';
import type { Fault } from './faults.ts';
import type { Lives } from './lives.ts';
import type { Problems } from './problems.ts';

export interface FaultTally {
  readonly name: string;
  times: number;
  /** Calls, connections or lines that it hit; actions count as one each. */
  hits: number;
  /** From its end until what it concerns is up again. */
  readonly recoveryMs: number[];
}

export interface InjectorOptions {
  readonly faults: readonly Fault[];
  /** Dependencies of `/readyz` that it concerns. */
  readonly concerns: readonly string[];
  readonly control: Control;
  readonly lives: Lives;
  readonly problems: Problems;
  readonly random: () => number;
  /** Longest fault, and longest rest between two, in milliseconds. */
  readonly maxFaultMs: number;
  readonly maxRestMs: number;
  readonly signal: AbortSignal;
}

const RECOVERY_BOUND_MS = 60_000;

/** One fault after the other, in an order that the seed decides, until the signal aborts. */
export async function injectFaults(options: InjectorOptions): Promise<readonly FaultTally[]> {
  const { control, random, signal, lives, concerns } = options;
  const tallies = new Map(options.faults.map((fault) => [fault, tallyOf(fault.name)]));
  let bag: Fault[] = [];

  async function lift(ids: readonly string[]): Promise<number> {
    const active = await control.get<(FaultRule & { id: string; hits: number })[]>('/faults');
    let hits = 0;
    for (const { id, hits: ofRule } of active) if (ids.includes(id)) hits += ofRule;
    for (const id of ids) await control.remove(`/faults/${id}`);
    return hits;
  }

  async function inject(fault: Fault, tally: FaultTally): Promise<void> {
    const ids: string[] = [];
    const untilMs = Date.now() + options.maxFaultMs * (0.2 + 0.8 * random());
    try {
      for (const rule of fault.rules ?? []) {
        ids.push((await control.post<{ id: string }>('/faults', rule))?.id ?? '');
      }
      tally.times += 1;
      if (fault.act !== undefined) {
        do {
          await fault.act(control);
          tally.hits += 1;
          await sleep(fault.again ?? 0, undefined, { signal });
        } while (fault.again !== undefined && Date.now() < untilMs);
      }
      await sleep(Math.max(0, untilMs - Date.now()), undefined, { signal });
    } finally {
      tally.hits += await lift(ids);
    }
    const tookMs = await untilUp(lives, concerns, signal);
    if (tookMs === undefined) {
      options.problems.add(
        'no recovery',
        `${fault.name}: ${RECOVERY_BOUND_MS} ms later still down`,
      );
    } else tally.recoveryMs.push(tookMs);
  }

  try {
    for (;;) {
      signal.throwIfAborted();
      if (bag.length === 0) bag = shuffled(options.faults, random);
      const fault = bag.pop();
      const tally = fault && tallies.get(fault);
      if (fault === undefined || tally === undefined) break;
      await inject(fault, tally);
      await sleep(options.maxRestMs * random(), undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  return [...tallies.values()];
}

export function tallyOf(name: string): FaultTally {
  return { name, times: 0, hits: 0, recoveryMs: [] };
}

/** How long it took until all of these are up, `undefined` when it took too long. */
export async function untilUp(
  lives: Lives,
  concerns: readonly string[] | 'all',
  signal: AbortSignal,
): Promise<number | undefined> {
  const startedMs = Date.now();
  while (Date.now() - startedMs < RECOVERY_BOUND_MS) {
    if (await isUp(lives, concerns)) return Date.now() - startedMs;
    await sleep(100, undefined, { signal });
  }
  return undefined;
}

async function isUp(lives: Lives, concerns: readonly string[] | 'all'): Promise<boolean> {
  if (lives.running === undefined) return false;
  try {
    const answer = await fetch(`${lives.running.process.url}/readyz`);
    const { dependencies } = (await answer.json()) as {
      dependencies: { name: string; state: string }[];
    };
    return dependencies.every(
      ({ name, state }) => (concerns !== 'all' && !concerns.includes(name)) || state === 'up',
    );
  } catch {
    return false;
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  return items
    .map((item) => ({ item, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);
}
