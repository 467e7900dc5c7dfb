import {
  ATTRIBUTE_NAME_RULE,
  isAttributeName,
} from '../../../attributes/definitions/attribute-name.ts';
import { isIsoDate } from '../../../attributes/definitions/iso-date.ts';
import {
  ALL_ATTRIBUTES,
  type AskedAttributes,
  MAX_ALL_ATTRIBUTES,
} from '../../../attributes/report/detailed-tally.ts';
import {
  openTimeZone,
  TIME_ZONE_RULE,
  type TimeZone,
  UTC,
} from '../../../attributes/report/time-zone.ts';
import type { ReportQuestion } from '../../../attributes/report/usage-reports.ts';
import { shorten } from '../../../lib/cut-text.ts';
import { Problem, type ProblemDetail } from '../../problem.ts';
import { orgIdSchema } from '../org-id.ts';

const DAY_MS = 86_400_000;
const MAX_NAMES = 100;
const MAX_DAYS = 366;
const DEFAULT_DAYS = 30;
const DEFAULT_ATTRIBUTES = 'crm_ticket_priority,crm_channel_source';
const MAX_REPORTED = 10;

/** What `reportQuerySchema` lets through. */
export interface ReportQuery {
  readonly attrs: string;
  readonly days?: number;
  readonly from?: string;
  readonly to?: string;
  readonly tz?: string;
  readonly orgId?: string;
  readonly detail: boolean;
  readonly format?: 'json' | 'csv';
  readonly bom: boolean;
}

/** What may stand behind the question mark of `GET /report`. */
export const reportQuerySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    attrs: {
      type: 'string',
      default: DEFAULT_ATTRIBUTES,
      description: `Attribute names, separated by commas: 1 to ${MAX_NAMES}; one given twice counts once. Or \`*\`: all that are defined for \`orgId\`, or filled in the period, by name; more than ${MAX_ALL_ATTRIBUTES} are a 422`,
    },
    days: {
      type: 'integer',
      minimum: 1,
      maximum: 365,
      description: `The last so many times 24 hours, with \`tz\` the last so many calendar days, today included as far as it has come; ${DEFAULT_DAYS} when neither this nor \`from\` is given`,
    },
    from: {
      type: 'string',
      maxLength: 40,
      description:
        'Instead of `days`: first moment of the period, an ISO 8601 date (midnight of `tz`) or date-time with offset',
    },
    to: {
      type: 'string',
      maxLength: 40,
      description: `With \`from\`: the moment at which the period ends, itself not included; now by default, at most ${MAX_DAYS} days later`,
    },
    tz: {
      type: 'string',
      maxLength: 64,
      description: `Time zone whose midnights part the days: ${TIME_ZONE_RULE}; UTC by default. Days on which clocks change have 23 or 25 hours`,
    },
    orgId: {
      ...orgIdSchema,
      description:
        'Whose definitions, inherited ones included, count as defined, with `detail=true` or `attrs=*`; by default those that the service itself makes',
    },
    detail: { type: 'boolean', default: false, description: 'Everything, not only the counts' },
    format: {
      type: 'string',
      enum: ['json', 'csv'],
      description: 'Stronger than the Accept header',
    },
    bom: {
      type: 'boolean',
      default: false,
      description: 'CSV begins with a byte order mark, by which spreadsheets know that it is UTF-8',
    },
  },
} as const;

/** The checked query as a question. @throws Problem 400 with every fault. */
export function readQuestion(query: ReportQuery, nowMs: number): ReportQuestion {
  const errors: ProblemDetail[] = [];
  const attributes = readNames(query.attrs, errors);
  const timeZone = readTimeZone(query.tz, errors);
  const period = readPeriod(query, timeZone, nowMs, errors);
  if (errors.length > 0) throw invalidQuery(errors);
  return { attributes, period, timeZone, orgId: query.orgId, detail: query.detail };
}

export function invalidQuery(errors: readonly ProblemDetail[]): Problem {
  const [first] = errors;
  const detail = `The query is wrong: ${first?.where} ${first?.message}.`;
  return new Problem(400, 'invalid_query', detail, { errors });
}

function readNames(text: string, errors: ProblemDetail[]): AskedAttributes {
  const parts = text.split(',').map((name) => name.trim());
  const names = [...new Set(parts)].filter((name) => name !== '');
  if (names.includes(ALL_ATTRIBUTES)) {
    if (names.length > 1) errors.push({ where: 'attrs', message: 'has * beside names' });
    return ALL_ATTRIBUTES;
  }
  if (names.length === 0 || names.length > MAX_NAMES) {
    errors.push({
      where: 'attrs',
      message: `has ${names.length} names; allowed: 1 to ${MAX_NAMES}`,
    });
    return names;
  }
  for (const name of names.filter((each) => !isAttributeName(each)).slice(0, MAX_REPORTED)) {
    const shown = JSON.stringify(shorten(name, 50));
    errors.push({
      where: 'attrs',
      message: `has ${shown}, which is no attribute name; allowed: ${ATTRIBUTE_NAME_RULE}`,
    });
  }
  return names;
}

function readTimeZone(name: string | undefined, errors: ProblemDetail[]): TimeZone {
  const zone = name === undefined ? UTC : openTimeZone(name);
  if (zone === undefined) errors.push({ where: 'tz', message: `must be ${TIME_ZONE_RULE}` });
  return zone ?? UTC;
}

function readPeriod(
  query: ReportQuery,
  zone: TimeZone,
  nowMs: number,
  errors: ProblemDetail[],
): ReportQuestion['period'] {
  const { days = DEFAULT_DAYS, from: fromText, to: toText, tz } = query;
  if (fromText === undefined && toText === undefined) {
    return tz === undefined ? { days } : { calendarDays: days };
  }
  if (query.days !== undefined) {
    errors.push({ where: 'days', message: 'cannot be given together with from or to' });
  }
  if (fromText === undefined) errors.push({ where: 'from', message: 'is required with to' });
  const from = readTime('from', fromText, zone, errors);
  const to = readTime('to', toText, zone, errors);
  if (from === undefined) return { days: DEFAULT_DAYS };
  const endMs = to?.getTime() ?? nowMs;
  // As many days take an hour more when clocks are put back in between.
  const shiftMs = Math.max(0, zone.offsetMs(from.getTime()) - zone.offsetMs(endMs));
  if (from.getTime() >= endMs) {
    const end = to === undefined ? 'the present' : 'to';
    errors.push({ where: 'from', message: `must be before ${end}; the end is not included` });
  } else if (endMs - from.getTime() > MAX_DAYS * DAY_MS + shiftMs) {
    errors.push({ where: 'from', message: `must be at most ${MAX_DAYS} days before the end` });
  }
  return to === undefined ? { from } : { from, to };
}

function readTime(
  where: string,
  value: string | undefined,
  zone: TimeZone,
  errors: ProblemDetail[],
): Date | undefined {
  if (value === undefined) return undefined;
  // A plus sign that was not encoded arrives as a space.
  const text = value.replace(/ (\d\d:?\d\d)$/, '+$1');
  // A time of day without an offset would mean whatever zone this machine is in.
  const isMoment = !text.includes('T') || /(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(text);
  const time = isIsoDate(text) && isMoment ? new Date(text) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) {
    return text.includes('T') ? time : new Date(zone.startOf(time.getTime() / DAY_MS));
  }
  errors.push({
    where,
    message:
      'must be an ISO 8601 date such as 2026-11-30, or a date-time with offset such as 2026-11-30T08:00:00Z',
  });
  return undefined;
}
