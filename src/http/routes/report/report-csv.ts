import type { AttributeUsage } from '../../../attributes/report/describe-usage.ts';
import type { CountedPeriod } from '../../../attributes/report/period.ts';
import {
  type ReportQuestion,
  reportedNames,
  type UsageReport,
} from '../../../attributes/report/usage-reports.ts';

type Cell = string | number | boolean | null | undefined;

/**
 * The report as CSV (RFC 4180, UTF-8, with a header). Counts: one line for each attribute asked
 * for. Details: these lines with all their figures and a column for each day, then a line for each
 * attribute that is defined and never filled, or filled and not defined; `status` tells which.
 * Every line says which period it counts.
 */
export function reportAsCsv(report: UsageReport, question: ReportQuestion): string {
  const { detail, period } = report;
  const names = reportedNames(question, report);
  const periodCells = cellsOf(period);
  if (detail === undefined) {
    return toCsv([
      ['attribute', 'populated', ...PERIOD_COLUMNS],
      ...names.map((name) => [name, report.populated.get(name) ?? 0, ...periodCells]),
    ]);
  }
  const asked = names.flatMap((name) => {
    const usage = detail.attributes.get(name);
    return usage === undefined ? [] : [{ name, usage }];
  });
  const lines = [
    ...asked.map(({ name, usage }) => figuresOf(name, usage, report.conversations)),
    ...detail.definedNeverFilled.map(({ attribute, origin }) =>
      statusOf('defined_never_filled', attribute, 0, true, origin),
    ),
    ...detail.filledNotDefined.map(({ attribute, populated }) =>
      statusOf('filled_not_defined', attribute, populated, false),
    ),
  ].map((figures, index) =>
    COLUMNS.map((_, column) => figures[column]).concat(
      periodCells,
      asked[index]?.usage.perDay.map(({ count }) => count) ?? [],
    ),
  );
  return toCsv([[...COLUMNS, ...PERIOD_COLUMNS, ...period.dayNames], ...lines]);
}

/** Says which unit and which days: `attribute-usage_acme-emea_2026-10-01_2026-10-31.csv`. */
export function csvFileName({ period }: UsageReport, { orgId }: ReportQuestion): string {
  const [first, last] = [period.dayNames[0], period.dayNames.at(-1)];
  const days = first === last ? [first] : [first, last];
  const unit = orgId === undefined ? [] : [orgId.replace(/[^\w.-]/g, '-')];
  return `${['attribute-usage', ...unit, ...days].join('_')}.csv`;
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

const PERIOD_COLUMNS = ['from', 'to', 'time_zone', 'partial_days'] as const;

function cellsOf({ from, to, timeZone, partialDays }: CountedPeriod): Cell[] {
  return [from.toISOString(), to.toISOString(), timeZone, partialDays.join(' | ')];
}

function statusOf(
  status: string,
  attribute: string,
  populated: number,
  defined: boolean,
  origin?: string,
): Cell[] {
  return [status, attribute, populated, defined, origin];
}

function figuresOf(name: string, usage: AttributeUsage, conversations: number): Cell[] {
  return [
    ...statusOf('asked', name, usage.populated, usage.defined, usage.origin),
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
 * A spreadsheet takes a cell that begins with one of these for a formula, also where something
 * stands before it that nobody sees and that the spreadsheet may drop: space, NUL, marks of zero
 * width or of direction. So may a part of a cell after a separator, where the file is opened with
 * another one. A quote in front makes it text.
 */
const FORMULA =
  /(^|[,;|\t\r\n])([\s\p{C}\p{Z}\p{Default_Ignorable_Code_Point}]*)(?=[=+\-@\t\r＝＋－＠﹦﹢﹣﹫−])/gu;

function cell(value: Cell): string {
  if (value === undefined || value === null) return '';
  if (typeof value !== 'string') return String(value);
  const harmless = value.replace(FORMULA, "$1$2'");
  return /^[\w.:-]*$/.test(harmless) ? harmless : `"${harmless.replaceAll('"', '""')}"`;
}
