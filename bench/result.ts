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
  /** The median divided by the reference's median, and what it is hoped to be. */
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

export function printTable({ bench, rows, notes }: BenchResult): void {
  const number = (value: number) =>
    value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 2 : 0 });
  const cells = rows.map((row) => [
    row.name,
    number(median(row.values)),
    row.unit,
    row.values.length > 1
      ? `${number(Math.min(...row.values))} … ${number(Math.max(...row.values))}`
      : '',
    row.ratio === undefined ? '' : `${row.ratio.value.toFixed(2)} × ${row.ratio.to}`,
    row.ratio?.goal ?? row.goal ?? '',
  ]);
  const table = [['what', 'median', 'unit', 'spread', 'ratio', 'goal'], ...cells];
  const widths = table[0]?.map((_, column) =>
    Math.max(...table.map((line) => line[column]?.length ?? 0)),
  );
  console.log(`\n${bench}`);
  for (const line of table) {
    console.log(
      `  ${line.map((cell, column) => cell.padEnd(widths?.[column] ?? 0)).join('  ')}`.trimEnd(),
    );
  }
  for (const note of notes) console.log(`  - ${note}`);
}
