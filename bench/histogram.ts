import type { ServiceProcess } from '../test/support/processes.ts';

/** Upper bound in seconds → events at or below it, from taken to accepted. */
export async function histogram(service: ServiceProcess): Promise<Map<number, number>> {
  const text = await (await service.until('/metrics')).text();
  const buckets = text.matchAll(/^pipeline_latency_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
  return new Map(
    Array.from(buckets, ([, le, count]) => [le === '+Inf' ? Infinity : Number(le), Number(count)]),
  );
}

/** Upper bound, in milliseconds, of the bucket that this share of the events between is in. */
export function quantileMs(
  before: ReadonlyMap<number, number>,
  after: ReadonlyMap<number, number>,
  share: number,
): number {
  const total = (after.get(Infinity) ?? 0) - (before.get(Infinity) ?? 0);
  if (total === 0) throw new Error('No event came while it was measured');
  const found = [...after].find(([le, count]) => count - (before.get(le) ?? 0) >= share * total);
  return (found?.[0] ?? Number.NaN) * 1000;
}
