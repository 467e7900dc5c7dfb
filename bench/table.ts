/** The first row is the head. Columns as wide as their longest cell; numbers to the right. */
export function tableOf(rows: readonly (readonly (string | number)[])[]): string {
  const cells = rows.map((row) => row.map(textOf));
  const widths: number[] = [];
  for (const row of cells) {
    for (const [column, cell] of row.entries()) {
      widths[column] = Math.max(widths[column] ?? 0, cell.length);
    }
  }
  return cells
    .map((row, line) =>
      row
        .map((cell, column) => {
          const width = widths[column] ?? 0;
          const isNumber = typeof rows[line === 0 ? 1 : line]?.[column] === 'number';
          return isNumber ? cell.padStart(width) : cell.padEnd(width);
        })
        .join('  ')
        .trimEnd(),
    )
    .map((line) => `  ${line}`)
    .join('\n');
}

function textOf(value: string | number): string {
  if (typeof value === 'string') return value;
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.abs(value) < 10 ? 1 : 0 });
}
