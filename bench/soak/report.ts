import { median } from '../result.ts';
import { tableOf } from '../table.ts';
import { WARM_UP_MS } from './judge.ts';
import { growthOf } from './resources.ts';
import type { SoakOptions, SoakResult } from './run.ts';

/** Everything that a soak found, as one text. */
export function reportOf(options: SoakOptions, result: SoakResult): string {
  const { faults, events, records, requests, lives, problems } = result;
  const longest = Math.max(0, ...lives.map(({ samples }) => samples.length));
  const mib = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MiB`;

  return [
    `soak: ${options.minutes} minutes, seed ${options.seed}, ${options.eventsPerSecond} events/s`,
    tableOf([
      ['fault', 'times', 'hits', 'recovery, median ms', 'longest ms'],
      ...faults.map(({ name, times, hits, recoveryMs }) => [
        name,
        times,
        hits,
        recoveryMs.length === 0 ? '-' : median(recoveryMs),
        recoveryMs.length === 0 ? '-' : Math.max(...recoveryMs),
      ]),
    ]),
    tableOf([
      ['events', ''],
      ['sent, to be taken', events.sent],
      ['taken', events.taken],
      ['published', events.published],
      ['dead-lettered', events.deadLettered],
      ['still in the journal', events.journalled],
      ['duplicates on the bus', events.duplicates],
      ['lost', events.lost],
      ['sent, never taken (connection ended first)', events.neverTaken],
      ['ends of connections', events.connectionEnds],
      ['lines that were no events, in the queue', events.malformedLines],
      ['records', ''],
      ['told as written', records.written],
      ['verified: as they must be, or absent', records.verified],
      ['of them with an unknown outcome', records.unknown],
      ['resources', ''],
      ['journal', mib(result.journalBytes)],
      ['fingerprints', mib(result.fingerprintBytes)],
      ['drained within', result.drainMs === undefined ? 'not' : `${result.drainMs} ms`],
    ]),
    tableOf([
      ['life', 'seconds', 'RSS start', 'end', 'max MiB', 'MiB/min', 'fds start', 'max', 'end'],
      ...lives.map(({ samples }, index) => {
        const growth = growthOf(samples, WARM_UP_MS);
        const rss = samples.map(({ rssMiB }) => rssMiB);
        const fds = samples.map((sample) => sample.fds);
        return [
          `${index + 1}${samples.length === longest ? ' (longest)' : ''}`,
          samples.length,
          Math.round(rss[0] ?? 0),
          Math.round(rss.at(-1) ?? 0),
          Math.round(Math.max(0, ...rss)),
          growth === undefined ? '-' : growth.mibPerMinute,
          fds[0] ?? 0,
          Math.max(0, ...fds),
          fds.at(-1) ?? 0,
        ];
      }),
    ]),
    tableOf([['answers', 'times'], ...[...requests].toSorted(([a], [b]) => a.localeCompare(b))]),
    problems.count() === 0
      ? 'passed: nothing lost, nothing leaked, no unhandled error'
      : `FAILED (seed ${options.seed})\n  ${problems.lines().join('\n  ')}`,
  ].join('\n\n');
}
