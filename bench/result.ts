import type { BareRates } from './bare-client.ts';
import { tableOf } from './table.ts';

export interface Bench {
  /** `quick`: in seconds, as a test that it works. */
  run(quick: boolean): Promise<BenchResult>;
}

/** What one benchmark measured; ratios against a reference of the same run are what counts. */
export interface BenchResult {
  readonly bench: string;
  readonly rows: readonly BenchRow[];
  /** What a reader has to know: sizes, settings, what was left out. */
  readonly notes: readonly string[];
}

export interface BenchRow {
  readonly name: string;
  readonly unit: string;
  /** One value a round. */
  readonly values: readonly number[];
  /** The median divided by the reference's median, or what `to` says; and what it is hoped to be. */
  readonly ratio?: { readonly to: string; readonly value: number; readonly goal?: string };
  readonly goal?: string;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : (upper + (sorted[middle - 1] ?? Number.NaN)) / 2;
}

/** `value` against `reference`, by their medians. */
export function ratioOf(values: readonly number[], reference: readonly number[]): number {
  return median(values) / median(reference);
}

/** The rows of a bare loop; the goal is against what a script reaches, which starts anew each time. */
export function bareRows(
  name: string,
  unit: string,
  bare: readonly BareRates[],
  served: readonly number[],
): BenchRow[] {
  const warm = bare.map((rates) => rates.warm);
  return [
    { name: `${name}, as a script`, unit, values: bare.map(({ asScript }) => asScript) },
    {
      name: `${name}, warmed up`,
      unit,
      values: warm,
      ratio: { to: 'as fast is the service', value: ratioOf(served, warm) },
    },
  ];
}

export function printTable({ bench, rows, notes }: BenchResult): void {
  const number = (value: number) =>
    value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
  const table = tableOf([
    ['what', 'median', 'unit', 'spread', 'ratio', 'goal'],
    ...rows.map(({ name, unit, values, ratio, goal }) => [
      name,
      number(median(values)),
      unit,
      values.length > 1 ? `${number(Math.min(...values))} … ${number(Math.max(...values))}` : '',
      ratio === undefined ? '' : `${ratio.value.toFixed(2)} × ${ratio.to}`,
      ratio?.goal ?? goal ?? '',
    ]),
  ]);
  console.log(`\n${bench}\n${table}`);
  for (const note of notes) console.log(`  - ${note}`);
}
