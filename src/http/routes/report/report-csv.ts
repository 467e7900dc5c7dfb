import type { AttributeUsage } from '../../../attributes/report/describe-usage.ts';
import type { ReportQuestion, UsageReport } from '../../../attributes/report/usage-reports.ts';

type Cell = string | number | boolean | null | undefined;

/**
 * The report as CSV (RFC 4180, UTF-8, with a header). Counts: one line for each attribute asked
 * for. Details: these lines with all their figures and a column for each day, then a line for each
 * attribute that is defined and never filled, or filled and not defined; `status` tells which.
 */
export function reportAsCsv(report: UsageReport, question: ReportQuestion): string {
  const { detail } = report;
  if (detail === undefined) {
    return toCsv([
      ['attribute', 'populated'],
      ...question.attributes.map((name) => [name, report.populated.get(name) ?? 0]),
    ]);
  }
  const asked = question.attributes.flatMap((name) => {
    const usage = detail.attributes.get(name);
    return usage === undefined ? [] : [{ name, usage }];
  });
  const days = asked[0]?.usage.perDay.map(({ day }) => day) ?? [];
  return toCsv([
    [...COLUMNS, ...days],
    ...asked.map(({ name, usage }) => lineOf(name, usage, report.conversations)),
    ...detail.definedNeverFilled.map(({ attribute, origin }) =>
      shortLine('defined_never_filled', attribute, 0, true, origin),
    ),
    ...detail.filledNotDefined.map(({ attribute, populated }) =>
      shortLine('filled_not_defined', attribute, populated, false),
    ),
  ]);
}

const COLUMNS = [
  'status',
  'attribute',
  'populated',
  'defined',
  'origin',
  'conversations',
  'rate',
  'distinct',
  'distinct_exact',
  'first_day',
  'last_day',
  'violations',
  'top_values',
] as const;

function shortLine(
  status: string,
  attribute: string,
  populated: number,
  defined: boolean,
  origin?: string,
): Cell[] {
  return [status, attribute, populated, defined, origin];
}

function lineOf(name: string, usage: AttributeUsage, conversations: number): Cell[] {
  return [
    ...shortLine('asked', name, usage.populated, usage.defined, usage.origin),
    conversations,
    usage.rate,
    usage.distinct.count,
    usage.distinct.exact,
    usage.firstDay,
    usage.lastDay,
    Object.entries(usage.violations)
      .map(([rule, count]) => `${rule}: ${count}`)
      .join(' | '),
    (usage.topValues ?? []).map(({ value, count }) => `${value}: ${count}`).join(' | '),
    ...usage.perDay.map(({ count }) => count),
  ];
}

/** Every line has as many cells as the header. Lines end with CR LF. */
function toCsv(lines: readonly (readonly Cell[])[]): string {
  const width = lines[0]?.length ?? 0;
  return lines
    .map(
      (line) => `${Array.from({ length: width }, (_, index) => cell(line[index])).join(',')}\r\n`,
    )
    .join('');
}

/**
 * A spreadsheet takes a cell that begins with one of these for a formula; so may a part of a cell
 * after a separator, where the file is opened with another one. A quote in front makes it text.
 */
const FORMULA = /(^|[,;|\t\r\n])(\s*)(?=[=+\-@\t\r＝＋－＠])/g;

function cell(value: Cell): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') return String(value);
  const harmless = value.replace(FORMULA, "$1$2'");
  return /^[\w.:-]*$/.test(harmless) ? harmless : `"${harmless.replaceAll('"', '""')}"`;
}
