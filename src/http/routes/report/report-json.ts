import type { CountedPeriod } from '../../../attributes/report/period.ts';
import {
  type ReportQuestion,
  reportedNames,
  type UsageReport,
} from '../../../attributes/report/usage-reports.ts';
import { count } from '../schema-shapes.ts';

/** The report as the JSON answer; attributes in the order in which they were asked for. */
export function reportAsJson(report: UsageReport, question: ReportQuestion): object {
  const { detail, period } = report;
  const names = reportedNames(question, report);
  if (detail === undefined) {
    return named(names, (name) => report.populated.get(name) ?? 0);
  }
  return {
    period: periodAsJson(period),
    orgId: detail.orgId,
    conversations: report.conversations,
    repeated: report.repeated,
    repetitionChecked: report.repetitionChecked,
    attributes: named(names, (name) => detail.attributes.get(name)),
    definedNeverFilled: detail.definedNeverFilled,
    filledNotDefined: detail.filledNotDefined,
    truncated: detail.truncated,
    warnings: detail.warnings,
  };
}

export function periodAsJson({ from, to, days, timeZone, partialDays }: CountedPeriod): object {
  return { from: from.toISOString(), to: to.toISOString(), days, timeZone, partialDays };
}

/** The same facts beside an answer whose body has no place for them. */
export function periodAsHeaders(period: CountedPeriod): Record<string, string> {
  const headers: Record<string, string> = {
    'x-report-from': period.from.toISOString(),
    'x-report-to': period.to.toISOString(),
    'x-report-time-zone': period.timeZone,
  };
  const partial = period.partialDays.join(', ');
  if (partial !== '') headers['x-report-partial-days'] = partial;
  return headers;
}

export const PERIOD_HEADERS = {
  'x-report-from': 'First moment of the period that was counted',
  'x-report-to': 'Its end, itself not included',
  'x-report-time-zone': 'Whose midnights part the days',
  'x-report-partial-days':
    'Days of which only a part was counted: the period cuts them, or they are not over yet',
} as const;

/** Without a prototype, so that no name means anything but itself. */
function named<V>(names: readonly string[], valueOf: (name: string) => V): Record<string, V> {
  const object = Object.create(null) as Record<string, V>;
  for (const name of names) object[name] = valueOf(name);
  return object;
}

const day = { type: ['string', 'null'], description: '2026-11-30' } as const;

/** Both forms of the answer, for the documents. */
export const reportAnswerSchema = {
  oneOf: [
    {
      title: 'Counts',
      description: 'Number of conversations in which each attribute is filled; zeros included',
      type: 'object',
      additionalProperties: count,
    },
    {
      title: 'Details',
      type: 'object',
      required: [
        'period',
        'conversations',
        'repeated',
        'repetitionChecked',
        'attributes',
        'definedNeverFilled',
        'filledNotDefined',
        'truncated',
        'warnings',
      ],
      properties: {
        period: {
          type: 'object',
          required: ['from', 'to', 'days', 'timeZone', 'partialDays'],
          properties: {
            from: { type: 'string', format: 'date-time' },
            to: { type: 'string', format: 'date-time', description: 'Not included' },
            days: { type: 'number', description: 'A day of 23 or 25 hours is one as well' },
            timeZone: { type: 'string', description: PERIOD_HEADERS['x-report-time-zone'] },
            partialDays: {
              type: 'array',
              items: { type: 'string' },
              description: PERIOD_HEADERS['x-report-partial-days'],
            },
          },
        },
        orgId: { type: 'string' },
        conversations: { ...count, description: 'Different conversations in the period' },
        repeated: {
          ...count,
          description: 'Conversations that Genesys named more than once; counted once, by their id',
        },
        repetitionChecked: {
          type: 'boolean',
          description: 'False when ids were missing or too many, so that some may count twice',
        },
        attributes: {
          type: 'object',
          additionalProperties: {
            type: 'object',
            required: [
              'populated',
              'rate',
              'distinct',
              'firstDay',
              'lastDay',
              'perDay',
              'violations',
              'defined',
            ],
            properties: {
              populated: {
                ...count,
                description: 'Conversations in which it is there, not null and not an empty text',
              },
              rate: { type: 'number', minimum: 0, maximum: 1 },
              distinct: {
                type: 'object',
                required: ['count', 'exact'],
                properties: {
                  count,
                  exact: {
                    type: 'boolean',
                    description: 'False: estimated, with a standard error of 0.8 %',
                  },
                },
              },
              topValues: {
                type: 'array',
                maxItems: 10,
                description: 'Left out unless the setting REPORT_VALUES shows them',
                items: {
                  type: 'object',
                  required: ['value', 'count'],
                  properties: { value: { type: ['string', 'number', 'boolean'] }, count },
                },
              },
              topValuesErrorAtMost: {
                ...count,
                description:
                  'There when counts are approximate: they are at most this much too low',
              },
              firstDay: day,
              lastDay: day,
              perDay: {
                type: 'array',
                items: {
                  type: 'object',
                  required: ['day', 'count'],
                  properties: { day: { type: 'string' }, count },
                },
              },
              violations: {
                type: 'object',
                additionalProperties: count,
                description:
                  'Values that break the definition, by the kind of rule; `type`: another data type, `required`: missing',
              },
              defined: { type: 'boolean' },
              origin: { type: 'string', description: 'The organisation unit that defines it' },
            },
          },
        },
        definedNeverFilled: {
          type: 'array',
          items: {
            type: 'object',
            required: ['attribute', 'origin'],
            properties: { attribute: { type: 'string' }, origin: { type: 'string' } },
          },
        },
        filledNotDefined: {
          type: 'array',
          items: {
            type: 'object',
            required: ['attribute', 'populated'],
            properties: { attribute: { type: 'string' }, populated: count },
          },
        },
        truncated: {
          type: 'boolean',
          description:
            'More attributes are filled than can be tracked; filledNotDefined is partial',
        },
        warnings: { type: 'array', items: { type: 'string' } },
      },
    },
  ],
} as const;
