/** Bucket bounds grow by 12 %: 1 ms to 5 hours in 149 buckets, so that CloudWatch takes them in one datum. */
const GROWTH = 1.12;
const BUCKETS = 149;
const LOG_GROWTH = Math.log(GROWTH);

/** Durations in milliseconds, counted in logarithmic buckets; a quantile is right within 6 %. */
export interface LatencyHistogram {
  add(ms: number): void;
  readonly count: number;
  readonly sumMs: number;
  /** Value below which the share `q` (0 to 1) lies; 0 when there is nothing yet. */
  quantile(q: number): number;
  /** How often each bucket was hit so far; subtract an earlier one to get an interval. */
  snapshot(): Float64Array;
}

export function createLatencyHistogram(): LatencyHistogram {
  const counts = new Float64Array(BUCKETS);
  let count = 0;
  let sumMs = 0;

  return {
    add(ms) {
      const bucket = ms <= 1 ? 0 : Math.min(BUCKETS - 1, Math.ceil(Math.log(ms) / LOG_GROWTH));
      counts[bucket] = (counts[bucket] ?? 0) + 1;
      count += 1;
      sumMs += ms;
    },
    get count() {
      return count;
    },
    get sumMs() {
      return sumMs;
    },
    quantile(q) {
      let left = q * count;
      for (const [bucket, hits] of counts.entries()) {
        left -= hits;
        if (hits > 0 && left <= 0) return bucketValue(bucket);
      }
      return 0;
    },
    snapshot: () => counts.slice(),
  };
}

/** The middle of a bucket, in milliseconds. */
export function bucketValue(bucket: number): number {
  return bucket === 0 ? 1 : Math.round(GROWTH ** (bucket - 0.5) * 100) / 100;
}
