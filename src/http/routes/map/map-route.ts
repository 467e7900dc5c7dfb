import type { RecordImporter } from '../../../attributes/import-records.ts';
import type { MapResult, RecordMapper } from '../../../attributes/map-records.ts';
import { Problem } from '../../problem.ts';
import { problemOf } from '../../problem-of-error.ts';
import type { Answer, Call, Route } from '../../route.ts';
import { NDJSON } from '../ndjson.ts';
import { orgIdSchema } from '../org-id.ts';
import { importLines } from './import-stream.ts';
import { mapExample, mapResponses } from './map-schemas.ts';
import { statusOfRun } from './status-of-run.ts';

interface MapQuery {
  /** Only for a stream. */
  readonly orgId?: string;
  readonly mode: 'lenient' | 'strict';
  readonly dryRun: boolean;
  readonly skipUnchanged: boolean;
}

interface MapBody {
  readonly orgId: string;
  readonly records: readonly unknown[];
}

/** CRM records in, the fate of every record out: one JSON document, or a stream of JSON lines. */
export function mapRoute(options: {
  readonly mapper: RecordMapper;
  readonly importer: RecordImporter;
  /** In one JSON request. */
  readonly maxRecords: number;
  /** Why `skipUnchanged` would not be right here. */
  readonly skipUnchangedRefusal?: string | undefined;
}): Route<MapQuery, MapBody> {
  const { mapper, importer, maxRecords, skipUnchangedRefusal } = options;

  return {
    method: 'post',
    path: '/map',
    role: 'map',
    operationId: 'mapRecords',
    summary: 'Write CRM records to Genesys Cloud as custom interaction attributes',
    description:
      'Checks our permission, resolves the definitions of the organisation and its ancestors, maps and validates each record, writes in batches, and says what became of every record. ' +
      `As JSON at most ${maxRecords} records. ` +
      'With `Content-Type: application/x-ndjson` and `?orgId=` one record per line, any number of them: the answer is a stream of JSON lines `{"progress"}`, `{"rejected"}`, `{"failed"}`, `{"superseded"}`, and `{"summary"}` last. ' +
      'Read the answer while you send, or afterwards: while nobody reads, lines are left out, and the summary names those records in `unlisted`, `[{fate, reason, records, ranges: [[first, last]…], exact}]`. Every record that is named nowhere is written or unchanged.',
    tag: 'Attributes',
    query: {
      type: 'object',
      additionalProperties: false,
      properties: {
        orgId: { ...orgIdSchema, description: `${orgIdSchema.description}; only for NDJSON` },
        mode: {
          type: 'string',
          enum: ['lenient', 'strict'],
          default: 'lenient',
          description:
            'strict: one bad record, a field that no mapping reads, or an organisation without definitions and parent, and nothing is written (JSON only)',
        },
        dryRun: {
          type: 'boolean',
          default: false,
          description: 'Does everything but write',
        },
        skipUnchanged: {
          type: 'boolean',
          default: false,
          description:
            'Leaves out records that Genesys has like this already; refused (400) where other processes may write and FINGERPRINT_TABLE is not set',
        },
      },
    },
    body: {
      type: 'object',
      required: ['orgId', 'records'],
      additionalProperties: false,
      properties: {
        orgId: orgIdSchema,
        records: {
          type: 'array',
          minItems: 1,
          maxItems: maxRecords,
          items: {},
          description: 'CRM records; what is wrong with one of them is said in `rejected`',
        },
      },
    },
    streams: [NDJSON],
    responses: mapResponses,
    example: mapExample.body,
    async handle(call) {
      if (call.query.skipUnchanged && skipUnchangedRefusal !== undefined) {
        throw new Problem(400, 'skip_unchanged_not_shared', skipUnchangedRefusal);
      }
      return call.stream === undefined ? mapBody(call) : importStream(call, call.stream);
    },
  };

  async function mapBody(call: Call<MapQuery, MapBody>): Promise<Answer> {
    const { query, body, signal, turn, log } = call;
    const { orgId, records } = body;
    if (query.orgId !== undefined && query.orgId !== orgId) {
      throw invalidQuery('orgId', 'differs from that of the body; in JSON it stands in the body');
    }
    const strict = query.mode === 'strict';
    const result = await mapper.map({
      orgId,
      records,
      strict,
      dryRun: query.dryRun,
      skipUnchanged: query.skipUnchanged,
      signal,
      turn,
      log,
    });
    return answerOf(result);
  }

  async function importStream(
    call: Call<MapQuery>,
    stream: AsyncIterable<Uint8Array>,
  ): Promise<undefined> {
    const { query, signal, log } = call;
    const { orgId } = query;
    if (orgId === undefined) throw invalidQuery('orgId', 'is required for NDJSON');
    if (query.mode === 'strict') {
      throw invalidQuery('mode', 'strict needs the whole request at hand: send it as JSON');
    }
    const opened = await importer.open({
      orgId,
      dryRun: query.dryRun,
      skipUnchanged: query.skipUnchanged,
      signal,
      log,
    });
    await importLines(opened, stream, call);
  }
}

/** 200 = all, 207 = some; when nothing was written a problem with the same lists. */
function answerOf(result: MapResult): Answer {
  const { answer, counts, failure, refused, strictStop } = result;
  const status = statusOfRun(result);
  if (status === 200) return { status, body: answer };
  const members = { ...answer };
  if (strictStop !== undefined) {
    throw new Problem(400, strictStop, `${strictReason(result)} (mode=strict).`, { members });
  }
  const stopped = failure === undefined ? undefined : problemOf(failure);
  if (status === 207) {
    const error = stopped && { code: stopped.code, message: stopped.message };
    return { status, body: { ...answer, error } };
  }
  if (stopped !== undefined) {
    const detail = `No record is known to be written: ${stopped.message}`;
    throw new Problem(status, stopped.code, detail, {
      cause: failure,
      headers: stopped.headers,
      members: { ...stopped.members, ...members },
    });
  }
  if (counts.failed === 0) {
    const detail = 'No record was valid; nothing was written.';
    throw new Problem(status, 'no_valid_record', detail, { members });
  }
  throw refused
    ? new Problem(status, 'genesys_refused_records', 'Genesys refused every valid record.', {
        members,
      })
    : new Problem(status, 'genesys_write_failed', 'Genesys did not write any of the records.', {
        members,
      });
}

function strictReason({ strictStop, counts, answer }: MapResult): string {
  switch (strictStop) {
    case 'organisation_without_definitions':
      return 'The organisation has no definitions and no parent, so nothing was written';
    case 'unmapped_fields':
      return `No mapping reads ${answer.unmappedFields?.length ?? 0} of the fields, so nothing was written`;
    default:
      return `${counts.rejected} records were rejected, so nothing was written`;
  }
}

function invalidQuery(parameter: string, message: string): Problem {
  return new Problem(400, 'invalid_query', `The query is wrong: ${parameter} ${message}.`, {
    errors: [{ where: parameter, message }],
  });
}
