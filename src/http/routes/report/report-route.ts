import { createHash } from 'node:crypto';
import type {
  ReportQuestion,
  UsageReport,
  UsageReports,
} from '../../../attributes/report/usage-reports.ts';
import { headerOf } from '../../exchange.ts';
import { Problem } from '../../problem.ts';
import type { Call, Route } from '../../route.ts';
import { invalidQuery, type ReportQuery, readQuestion, reportQuerySchema } from './question.ts';
import { csvFileName, reportAsCsv } from './report-csv.ts';
import {
  PERIOD_HEADERS,
  periodAsHeaders,
  periodAsJson,
  reportAnswerSchema,
  reportAsJson,
} from './report-json.ts';
import { streamReport } from './report-stream.ts';

export interface ReportRouteOptions {
  readonly reports: UsageReports;
  /** How long a report is fresh, in seconds; `max-age` for caches. */
  readonly cacheTtlSeconds: number;
  /** Longest silence of an event stream, in milliseconds. Default 15 000. */
  readonly heartbeatMs?: number | undefined;
  /** Shortest time between two progress events, in milliseconds. Default 250. */
  readonly progressEveryMs?: number | undefined;
  readonly now?: (() => number) | undefined;
}

const JSON_TYPE = 'application/json';
const CSV_TYPE = 'text/csv';
const EVENTS_TYPE = 'text/event-stream';

/** How often each custom attribute is really filled. */
export function reportRoute(options: ReportRouteOptions): Route<ReportQuery> {
  const now = options.now ?? Date.now;

  function cacheControl({ completedAtMs }: UsageReport): string {
    const freshMs = options.cacheTtlSeconds * 1000 - (now() - completedAtMs);
    return `private, max-age=${Math.max(0, Math.floor(freshMs / 1000))}`;
  }

  return {
    method: 'get',
    path: '/report',
    role: 'report',
    operationId: 'reportUsage',
    summary: 'How often attributes are filled',
    description:
      'A flat map by default: in how many conversations each attribute is filled, zeros included. ' +
      'With `detail=true` also rates, values, days, violations of the definitions, and what is ' +
      'defined or filled only. As JSON, CSV that is safe in spreadsheets, or, with ' +
      '`Accept: text/event-stream`, as events: `progress`, then `period` and `result`, or `error`. ' +
      'Every form says which period it counts, of which time zone its days are, and which of them ' +
      'were counted in part only: headers `x-report-…`, `period` of the details and of the events, ' +
      'columns of the CSV. Equal questions share one query; the answer is kept for a short time. ' +
      'Only so many queries run at once, of one caller and of all: more are answered 429 or 503 with `Retry-After`, events too.',
    tag: 'Attributes',
    query: reportQuerySchema,
    responses: {
      200: {
        description: 'The report',
        schema: reportAnswerSchema,
        mediaTypes: [CSV_TYPE, EVENTS_TYPE],
        headers: PERIOD_HEADERS,
        example: { crm_ticket_priority: 1234, crm_channel_source: 0 },
      },
      304: { description: 'Nothing has changed since the `ETag` that was sent' },
      400: { description: 'A parameter is wrong' },
      403: { description: 'The service lacks analytics:read in Genesys Cloud' },
      406: { description: `Only ${JSON_TYPE}, ${CSV_TYPE} and ${EVENTS_TYPE} can be had` },
      422: {
        description:
          'The period has more pages than REPORT_MAX_PAGES, or `attrs=*` means too many attributes',
      },
      429: { description: 'The caller has as many reports running as it may, or asks too often' },
      502: { description: 'Genesys Cloud failed, or its pages never end' },
      503: { description: 'As many reports are running as may, or Genesys Cloud asks to wait' },
      504: { description: 'Genesys Cloud did not answer in time' },
    },
    async handle(call) {
      const question = readQuestion(call.query, now());
      const type = mediaTypeOf(call);
      const { caller, signal } = call;
      if (call.query.bom && type !== CSV_TYPE) {
        throw invalidQuery([{ where: 'bom', message: `is only for CSV; this answer is ${type}` }]);
      }
      if (type === EVENTS_TYPE) {
        await streamReport(call, {
          run: (onProgress) => options.reports.report(question, { caller, signal, onProgress }),
          body: (report) => reportAsJson(report, question),
          period: ({ period }) => periodAsJson(period),
          heartbeatMs: options.heartbeatMs ?? 15_000,
          progressEveryMs: options.progressEveryMs ?? 250,
        });
        return undefined;
      }
      const report = await options.reports.report(question, { caller, signal });
      const { body, headers: contentHeaders } =
        type === CSV_TYPE
          ? csvAnswer(report, question, call.query.bom)
          : jsonAnswer(report, question);
      const etag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 27)}"`;
      const headers = {
        ...periodAsHeaders(report.period),
        'cache-control': cacheControl(report),
        vary: 'Accept',
        etag,
      };
      if (isKnown(etag, headerOf(call.request, 'if-none-match'))) {
        return { status: 304, body: undefined, headers };
      }
      return { status: 200, body, headers: { ...headers, ...contentHeaders } };
    },
  };
}

interface Content {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

function jsonAnswer(report: UsageReport, question: ReportQuestion): Content {
  return {
    body: JSON.stringify(reportAsJson(report, question)),
    headers: { 'content-type': `${JSON_TYPE}; charset=utf-8` },
  };
}

function csvAnswer(report: UsageReport, question: ReportQuestion, bom: boolean): Content {
  return {
    body: `${bom ? '\u{feff}' : ''}${reportAsCsv(report, question)}`,
    headers: {
      'content-type': `${CSV_TYPE}; charset=utf-8; header=present`,
      'content-disposition': `attachment; filename="${csvFileName(report, question)}"`,
    },
  };
}

/**
 * Whether the caller has this answer already (RFC 9110 §13.1.2). Express would say no to
 * `Cache-Control: no-cache`, which `fetch` adds by itself to every conditional request.
 */
function isKnown(etag: string, ifNoneMatch = ''): boolean {
  const tags = ifNoneMatch.split(',').map((tag) => tag.trim().replace(/^W\//, ''));
  return tags.some((tag) => tag === etag || tag === '*');
}

function mediaTypeOf({ query, request }: Call<ReportQuery>): string {
  if (query.format === 'csv') return CSV_TYPE;
  if (query.format === 'json') return JSON_TYPE;
  const accepted = request.accepts(JSON_TYPE, CSV_TYPE, EVENTS_TYPE);
  if (typeof accepted === 'string') return accepted;
  throw new Problem(
    406,
    'not_acceptable',
    `The Accept header allows none of ${JSON_TYPE}, ${CSV_TYPE} and ${EVENTS_TYPE}.`,
  );
}
