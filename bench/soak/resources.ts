import { readdirSync } from 'node:fs';
import { memoryBytes } from '../../test/support/processes.ts';

export interface Sample {
  readonly atMs: number;
  readonly rssMiB: number;
  /** Open files and sockets. */
  readonly fds: number;
}

/** `undefined` when the process is gone, or the system has no /proc. */
export function sampleOf(pid: number): Sample | undefined {
  try {
    const rssMiB = memoryBytes(pid, 'VmRSS') / 1_048_576;
    const fds = readdirSync(`/proc/${pid}/fd`).length;
    return { atMs: Date.now(), rssMiB, fds };
  } catch {
    return undefined;
  }
}

export interface Growth {
  readonly mibPerMinute: number;
  /** Over the time that was looked at. */
  readonly mib: number;
  readonly minutes: number;
}

/** The line through the samples after the first `warmUpMs`; `undefined` with too few of them. */
export function growthOf(samples: readonly Sample[], warmUpMs: number): Growth | undefined {
  const [first] = samples;
  const warm = samples.filter(({ atMs }) => atMs - (first?.atMs ?? 0) >= warmUpMs);
  const [from] = warm;
  const to = warm.at(-1);
  if (from === undefined || to === undefined || warm.length < 10) return undefined;
  const points = warm.map(({ atMs, rssMiB }) => ({ x: (atMs - from.atMs) / 60_000, y: rssMiB }));
  const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
  const meanX = mean(points.map(({ x }) => x));
  const meanY = mean(points.map(({ y }) => y));
  const up = points.reduce((sum, { x, y }) => sum + (x - meanX) * (y - meanY), 0);
  const square = points.reduce((sum, { x }) => sum + (x - meanX) ** 2, 0);
  const mibPerMinute = square === 0 ? 0 : up / square;
  const minutes = (to.atMs - from.atMs) / 60_000;
  return { mibPerMinute, mib: mibPerMinute * minutes, minutes };
}
