import { hashText } from './hash-text.ts';

const INDEX_BITS = 14;
const REGISTERS = 2 ** INDEX_BITS;
const RANK_BITS = 32;

/** Estimates how many different texts it was given, in 16 KiB; the standard error is 0.8 %. */
export interface DistinctEstimate {
  add(text: string): void;
  readonly count: number;
}

/**
 * HyperLogLog with the estimator of O. Ertl, "New cardinality estimation algorithms for
 * HyperLogLog sketches" (2017), which needs no correction tables and has no bias at any size.
 */
export function createDistinctEstimate(seed = 0): DistinctEstimate {
  const ranks = new Uint8Array(REGISTERS);

  return {
    add(text) {
      const [high, low] = hashText(text, seed);
      const register = high >>> (32 - INDEX_BITS);
      const rank = Math.clz32(low) + 1;
      if (rank > (ranks[register] ?? 0)) ranks[register] = rank;
    },
    get count() {
      const histogram = new Float64Array(RANK_BITS + 2);
      for (const rank of ranks) histogram[rank] = (histogram[rank] ?? 0) + 1;
      const share = (rank: number) => (histogram[rank] ?? 0) / REGISTERS;
      let sum = tau(1 - share(RANK_BITS + 1));
      for (let rank = RANK_BITS; rank >= 1; rank -= 1) sum = (sum + share(rank)) / 2;
      sum += sigma(share(0));
      return Math.round(REGISTERS / (2 * Math.LN2 * sum));
    },
  };
}

function sigma(share: number): number {
  if (share === 1) return Infinity;
  let power = share;
  let weight = 1;
  let sum = share;
  for (let before = -1; before !== sum; ) {
    power *= power;
    before = sum;
    sum += power * weight;
    weight *= 2;
  }
  return sum;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let root = share;
  let weight = 1;
  let sum = 1 - share;
  for (let before = -1; before !== sum; ) {
    root = Math.sqrt(root);
    before = sum;
    weight /= 2;
    sum -= (1 - root) ** 2 * weight;
  }
  return sum / 3;
}
