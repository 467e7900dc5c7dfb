export interface LineRanges {
  add(line: number, lines?: number): void;
  /** As people write them: `3, 7-9`, and how many lines more when there are too many ranges. */
  toString(): string;
}

const MAX_RANGES = 1000;

/** Lines of a file in bounded memory. */
export function createLineRanges(): LineRanges {
  const ranges: { from: number; to: number }[] = [];
  let left = 0;

  return {
    add(line, lines = 1) {
      const last = ranges.at(-1);
      if (last !== undefined && line === last.to + 1) last.to += lines;
      else if (ranges.length < MAX_RANGES) ranges.push({ from: line, to: line + lines - 1 });
      else left += lines;
    },
    toString() {
      const shown = ranges.map(({ from, to }) => (from === to ? `${from}` : `${from}-${to}`));
      if (left > 0) shown.push(`and ${left} more`);
      return shown.join(', ');
    },
  };
}
