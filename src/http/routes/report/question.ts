import {
  ATTRIBUTE_NAME_RULE,
  isAttributeName,
} from '../../../attributes/definitions/attribute-name.ts';
import { isIsoDate } from '../../../attributes/definitions/iso-date.ts';
import type { ReportQuestion } from '../../../attributes/report/usage-reports.ts';
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
  readonly orgId?: string;
  readonly detail: boolean;
  readonly format?: 'json' | 'csv';
}

/** What may stand behind the question mark of `GET /report`. */
export const reportQuerySchema = {
  type: 'object',
  additionalProperties: false,
  properties: {
    attrs: {
      type: 'string',
      default: DEFAULT_ATTRIBUTES,
      description: `Attribute names, separated by commas: 1 to ${MAX_NAMES}; one given twice counts once`,
    },
    days: {
      type: 'integer',
      minimum: 1,
      maximum: 365,
      description: `The last so many times 24 hours; ${DEFAULT_DAYS} when neither this nor \`from\` is given`,
    },
    from: {
      type: 'string',
      maxLength: 40,
      description:
        'Instead of `days`: first moment of the period, an ISO 8601 date (midnight UTC) or date-time with offset',
    },
    to: {
      type: 'string',
      maxLength: 40,
      description: `With \`from\`: the moment at which the period ends, itself not included; now by default, at most ${MAX_DAYS} days later`,
    },
    orgId: {
      ...orgIdSchema,
      description: 'Whose definitions count as defined, with `detail=true`',
    },
    detail: { type: 'boolean', default: false, description: 'Everything, not only the counts' },
    format: {
      type: 'string',
      enum: ['json', 'csv'],
      description: 'Stronger than the Accept header',
    },
  },
} as const;

/** The checked query as a question. @throws Problem 400 with every fault. */
export function readQuestion(query: ReportQuery, nowMs: number): ReportQuestion {
  const errors: ProblemDetail[] = [];
  const attributes = readNames(query.attrs, errors);
  const period = readPeriod(query, nowMs, errors);
  if (errors.length > 0) {
    const [first] = errors;
    throw new Problem(
      400,
      'invalid_query',
      `The query is wrong: ${first?.where} ${first?.message}.`,
      {
        errors,
      },
    );
  }
  return { attributes, period, orgId: query.orgId, detail: query.detail };
}

function readNames(text: string, errors: ProblemDetail[]): string[] {
  const parts = text.split(',').map((name) => name.trim());
  const names = [...new Set(parts)].filter((name) => name !== '');
  if (names.length === 0 || names.length > MAX_NAMES) {
    errors.push({
      where: 'attrs',
      message: `has ${names.length} names; allowed: 1 to ${MAX_NAMES}`,
    });
    return names;
  }
  for (const name of names.filter((each) => !isAttributeName(each)).slice(0, MAX_REPORTED)) {
    const shown = JSON.stringify(name.length <= 50 ? name : `${name.slice(0, 50)}…`);
    errors.push({
      where: 'attrs',
      message: `has ${shown}, which is no attribute name; allowed: ${ATTRIBUTE_NAME_RULE}`,
    });
  }
  return names;
}

function readPeriod(
  query: ReportQuery,
  nowMs: number,
  errors: ProblemDetail[],
): ReportQuestion['period'] {
  const { days, from: fromText, to: toText } = query;
  if (fromText === undefined && toText === undefined) {
    return { days: days ?? DEFAULT_DAYS };
  }
  if (days !== undefined) {
    errors.push({ where: 'days', message: 'cannot be given together with from or to' });
  }
  if (fromText === undefined) errors.push({ where: 'from', message: 'is required with to' });
  const from = readTime('from', fromText, errors);
  const to = readTime('to', toText, errors);
  if (from === undefined) return { days: DEFAULT_DAYS };
  const endMs = to?.getTime() ?? nowMs;
  if (from.getTime() >= endMs) {
    const end = to === undefined ? 'the present' : 'to';
    errors.push({ where: 'from', message: `must be before ${end}; the end is not included` });
  } else if (endMs - from.getTime() > MAX_DAYS * DAY_MS) {
    errors.push({ where: 'from', message: `must be at most ${MAX_DAYS} days before the end` });
  }
  return to === undefined ? { from } : { from, to };
}

function readTime(
  where: string,
  value: string | undefined,
  errors: ProblemDetail[],
): Date | undefined {
  if (value === undefined) return undefined;
  // A plus sign that was not encoded arrives as a space.
  const text = value.replace(/ (\d\d:?\d\d)$/, '+$1');
  // A time of day without an offset would mean whatever zone this machine is in.
  const isMoment = !text.includes('T') || /(?:Z|[+-]\d\d(?::?\d\d)?)$/.test(text);
  const time = isIsoDate(text) && isMoment ? new Date(text) : undefined;
  if (time !== undefined && !Number.isNaN(time.getTime())) return time;
  errors.push({
    where,
    message:
      'must be an ISO 8601 date such as 2026-11-30, or a date-time with offset such as 2026-11-30T08:00:00Z',
  });
  return undefined;
}
