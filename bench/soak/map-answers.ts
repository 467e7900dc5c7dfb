import type { Problems } from './problems.ts';
import type { CrmRecord, RecordBook, ToldFate } from './records.ts';

interface Lists {
  readonly rejected?: readonly { readonly index: number }[];
  readonly failed?: readonly { readonly index: number; readonly attempted: boolean }[];
  readonly superseded?: readonly { readonly index: number }[];
  readonly written?: readonly { readonly index: number }[];
  readonly unchanged?: number;
}

/** Tells the book what the answer to a JSON request says; `undefined`: there was none. */
export function readMapAnswer(
  records: readonly CrmRecord[],
  answer: { readonly status: number; readonly text: string } | undefined,
  book: RecordBook,
  problems: Problems,
): void {
  if (answer === undefined) return tellAll(records, () => 'unknown', book);
  const lists = JSON.parse(answer.text) as Lists;
  if (answer.status === 200) return tellAll(records, () => 'written', book);

  const fates = new Map<number, ToldFate>();
  for (const { index } of lists.rejected ?? []) fates.set(index, 'rejected');
  for (const { index } of lists.superseded ?? []) fates.set(index, 'untouched');
  for (const { index, attempted } of lists.failed ?? []) {
    fates.set(index, attempted ? 'unknown' : 'failed');
  }
  const listed = (lists.written ?? []).length;
  for (const { index } of lists.written ?? []) {
    if (fates.has(index)) problems.add('two fates', `record ${index}: ${answer.text}`);
    fates.set(index, 'written');
  }
  // In no list: unchanged, or, where there are no lists, nothing was begun.
  const rest = lists.failed === undefined ? 'untouched' : 'written';
  const unlisted = records.length - fates.size;
  if (rest === 'written' && unlisted !== lists.unchanged) {
    problems.add('records without a fate', `${unlisted} of ${records.length}: ${answer.text}`);
  }
  if (answer.status >= 400 && listed > 0) problems.add('written, and an error', answer.text);
  tellAll(records, (index) => fates.get(index) ?? rest, book);
}

interface ImportLine {
  readonly rejected?: { readonly line: number };
  readonly failed?: { readonly line: number; readonly attempted: boolean };
  readonly superseded?: { readonly line: number };
  readonly summary?: Readonly<Record<'read' | 'written' | 'rejected' | 'failed', number>> &
    Readonly<Record<'superseded' | 'unchanged', number>> & { readonly error?: unknown };
}

/** The same for an import; the text may end anywhere. */
export function readImportAnswer(
  records: readonly CrmRecord[],
  answer: { readonly status: number; readonly text: string } | undefined,
  book: RecordBook,
  problems: Problems,
): void {
  if (answer !== undefined && answer.status !== 200) {
    return tellAll(records, () => 'untouched', book);
  }
  const fates = new Map<number, ToldFate>();
  let summary: ImportLine['summary'];
  for (const text of (answer?.text ?? '').split('\n').slice(0, -1)) {
    const line = JSON.parse(text) as ImportLine;
    if (line.rejected !== undefined) fates.set(line.rejected.line - 1, 'rejected');
    if (line.superseded !== undefined) fates.set(line.superseded.line - 1, 'untouched');
    if (line.failed !== undefined) {
      fates.set(line.failed.line - 1, line.failed.attempted ? 'unknown' : 'failed');
    }
    summary ??= line.summary;
  }
  if (summary === undefined)
    return tellAll(records, (index) => fates.get(index) ?? 'unknown', book);

  const { read, written, rejected, failed, superseded, unchanged } = summary;
  const sum = written + rejected + failed + superseded + unchanged;
  const complete = read === records.length && sum === read;
  if (!complete && summary.error === undefined) {
    problems.add('records without a fate', `${records.length} sent: ${JSON.stringify(summary)}`);
  }
  if (fates.size !== rejected + failed + superseded) {
    problems.add('lines and summary differ', `${fates.size} lines: ${JSON.stringify(summary)}`);
  }
  tellAll(records, (index) => fates.get(index) ?? (complete ? 'written' : 'unknown'), book);
}

function tellAll(
  records: readonly CrmRecord[],
  fateOf: (index: number) => ToldFate,
  book: RecordBook,
): void {
  for (const [index, record] of records.entries()) book.told(record, fateOf(index));
}
