/** What the report says of events that were taken. */
export interface ReportedCounts {
  readonly ingested: number;
  readonly published: number;
  readonly failed: number;
}

/** The line as other systems read it. */
export function reportText(counts: ReportedCounts, latencyMs: number): string {
  const { ingested, published, failed } = counts;
  return (
    `[Pipeline Report] Ingested: ${ingested} | Published: ${published} | Failed: ${failed} | ` +
    `Success Rate: ${successRate(counts).toFixed(2)}% | Avg Latency: ${latencyMs.toFixed(2)}ms`
  );
}

/** Share of the finished events that were published, in percent; 100 while none has finished. */
export function successRate({
  published,
  failed,
}: Pick<ReportedCounts, 'published' | 'failed'>): number {
  return published + failed === 0 ? 100 : (100 * published) / (published + failed);
}
