export interface CsvDialect {
  readonly delimiter: string;
  readonly from: '--delimiter' | 'its sep= line' | 'its header line';
  /** Characters of a `sep=` line at the start, with its end. */
  readonly skip: number;
}

/** What spreadsheets write, the likeliest first. */
const DELIMITERS = [',', ';', '\t', '|'];

/** Excel's own line for the delimiter; some programs put it in quotes. */
const SEP_LINE = /^"?sep=([^"\r\n])"?[ \t]*(?:\r\n|\r|\n|$)/i;

/** `head` is the beginning of the file and holds its header line. */
export function dialectOf(head: string, given?: string): CsvDialect {
  const sepLine = SEP_LINE.exec(head);
  const skip = sepLine?.[0].length ?? 0;
  if (given !== undefined) return { delimiter: given, from: '--delimiter', skip };
  const stated = sepLine?.[1];
  if (stated !== undefined) return { delimiter: stated, from: 'its sep= line', skip };
  return { delimiter: mostFrequent(head), from: 'its header line', skip };
}

function mostFrequent(head: string): string {
  const counts = new Map(DELIMITERS.map((delimiter) => [delimiter, 0]));
  let inQuotes = false;
  for (const char of head.trimStart()) {
    if (char === '"') inQuotes = !inQuotes;
    if (inQuotes) continue;
    if (char === '\n' || char === '\r') break;
    const count = counts.get(char);
    if (count !== undefined) counts.set(char, count + 1);
  }
  const [best] = [...counts].toSorted(([, a], [, b]) => b - a);
  return best?.[0] ?? ',';
}
