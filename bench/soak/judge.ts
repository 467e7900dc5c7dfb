import { growthOf } from './resources.ts';
import type { SoakResult } from './run.ts';

/** What a service of this size may use; more is a leak. */
const LIMITS = {
  rssMiB: 400,
  /** Open files and sockets: at any time, and at rest. */
  fds: 300,
  fdsAtRest: 120,
  /** Of the resident memory after the warm-up, over at least some minutes. */
  growthMibPerMinute: 4,
  growthMib: 24,
  growthMinutes: 2,
  /** SQLite keeps up to 16 MiB of its log, and pages that were once needed. */
  journalBytes: 48 * 1024 * 1024,
  fingerprintBytes: 24 * 1024 * 1024,
};

export const WARM_UP_MS = 60_000;

/** What the service itself said last, in each life, must be true. */
export function judgeStatus({ lives, events, problems }: SoakResult): void {
  let ingested = 0;
  let published = 0;
  for (const { status } of lives) {
    ingested += status?.pipeline.ingested ?? 0;
    published += status?.pipeline.published ?? 0;
  }
  const onBus = events.published + events.duplicates;
  if (ingested > events.taken) {
    problems.add(
      '/status says more than is true',
      `ingested ${ingested}, in the journal ${events.taken}`,
    );
  }
  if (published > onBus) {
    problems.add('/status says more than is true', `published ${published}, on the bus ${onBus}`);
  }
}

/** Adds what leaked to the problems. Losses are there already. */
export function judgeResources({
  lives,
  journalBytes,
  fingerprintBytes,
  problems,
}: SoakResult): void {
  const leak = (what: string) => problems.add('leak', what);
  for (const [index, { samples }] of lives.entries()) {
    const rssMiB = Math.max(0, ...samples.map((sample) => sample.rssMiB));
    const fds = Math.max(0, ...samples.map((sample) => sample.fds));
    const growth = growthOf(samples, WARM_UP_MS);
    if (rssMiB > LIMITS.rssMiB) leak(`life ${index + 1}: ${Math.round(rssMiB)} MiB resident`);
    if (fds > LIMITS.fds) leak(`life ${index + 1}: ${fds} open files and sockets`);
    if (
      growth !== undefined &&
      growth.minutes >= LIMITS.growthMinutes &&
      growth.mib > LIMITS.growthMib &&
      growth.mibPerMinute > LIMITS.growthMibPerMinute
    ) {
      leak(`life ${index + 1}: ${growth.mibPerMinute.toFixed(1)} MiB a minute more memory`);
    }
  }
  const atRest = lives.at(-1)?.samples.at(-1)?.fds ?? 0;
  if (atRest > LIMITS.fdsAtRest) leak(`${atRest} open files and sockets at rest`);
  if (journalBytes > LIMITS.journalBytes) leak(`the journal has ${journalBytes} bytes`);
  if (fingerprintBytes > LIMITS.fingerprintBytes) {
    leak(`the fingerprints have ${fingerprintBytes} bytes`);
  }
}
