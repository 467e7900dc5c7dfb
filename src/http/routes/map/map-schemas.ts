import type { JsonSchema, Route } from '../../route.ts';

const index = {
  type: 'integer',
  minimum: 0,
  description: 'Position in `records`, from 0',
} as const;
const id = { type: 'string', description: 'Entity id: `ticketId`, else `id`' } as const;

const lists = {
  success: { type: 'boolean', description: 'Nothing was rejected, nothing failed' },
  processed: {
    type: 'integer',
    minimum: 0,
    description: 'Records written; with dryRun those that would have been',
  },
  allowedAttributes: { type: 'array', items: { type: 'string' } },
  rejected: {
    type: 'array',
    description: 'Not sent, because something is wrong with them',
    items: {
      type: 'object',
      required: ['index', 'id', 'errors'],
      properties: {
        index,
        id: { type: ['string', 'null'] },
        errors: {
          type: 'array',
          items: {
            type: 'object',
            required: ['attribute', 'rule', 'message'],
            properties: {
              attribute: {
                type: 'string',
                description: 'The attribute; `id` or `record` for what concerns the whole record',
              },
              rule: {
                type: 'string',
                description:
                  'What it breaks: `type`, `required`, a kind of validation rule (`string`, `number`, `regex`, `range`) … `exactNumber`: the number has digits that JavaScript cannot hold and would be altered; the message has them and says what to do. docs/errors.md has all',
                examples: ['regex', 'exactNumber'],
              },
              message: { type: 'string' },
            },
          },
        },
      },
    },
  },
  failed: {
    type: 'array',
    description: 'Good, but not written',
    items: {
      type: 'object',
      required: ['index', 'id', 'error', 'code', 'attempted'],
      properties: {
        index,
        id,
        error: { type: 'string' },
        code: { type: 'string' },
        attempted: { type: 'boolean', description: 'false: it was never sent' },
      },
    },
  },
  superseded: {
    type: 'array',
    description: 'Not sent, because a later record has the same id',
    items: {
      type: 'object',
      required: ['index', 'id', 'by'],
      properties: { index, id, by: { ...index, description: 'Position of the later record' } },
    },
  },
  unchanged: {
    type: 'integer',
    minimum: 0,
    description: 'Not sent, because Genesys has them like this already (skipUnchanged)',
  },
  skippedAttributes: {
    type: 'array',
    description: 'Attributes that are not allowed for the organisation; they were left out',
    items: {
      type: 'object',
      required: ['attribute', 'records'],
      properties: { attribute: { type: 'string' }, records: { type: 'integer', minimum: 1 } },
    },
  },
  warnings: {
    type: 'array',
    items: { type: 'string' },
    description:
      'What is wrong with definitions, such as rules of an unknown type; an organisation without definitions and parent; fields that no mapping reads',
  },
  unmappedFields: {
    type: 'array',
    maxItems: 100,
    description: 'Fields of the records that no mapping reads; only there when there are some',
    items: {
      type: 'object',
      required: ['field'],
      properties: {
        field: { type: 'string' },
        nearest: { type: 'string', description: 'A field that is read and called nearly so' },
      },
    },
  },
  written: {
    type: 'array',
    description: 'Exactly what was written; only there when not everything was',
    items: { type: 'object', required: ['index', 'id'], properties: { index, id } },
  },
  dryRun: { type: 'boolean' },
} as const;

const mapAnswerSchema: JsonSchema = {
  type: 'object',
  required: [
    'success',
    'processed',
    'allowedAttributes',
    'rejected',
    'failed',
    'superseded',
    'unchanged',
    'skippedAttributes',
    'warnings',
  ],
  properties: {
    ...lists,
    error: {
      type: 'object',
      description: 'Why the rest was not written',
      required: ['code', 'message'],
      properties: { code: { type: 'string' }, message: { type: 'string' } },
    },
  },
};

/** A problem (RFC 9457) with the same lists, once records were looked at. */
const mapProblemSchema: JsonSchema = {
  type: 'object',
  required: ['type', 'title', 'status', 'code', 'detail'],
  properties: {
    type: { type: 'string' },
    title: { type: 'string' },
    status: { type: 'integer' },
    code: { type: 'string' },
    detail: { type: 'string' },
    missingPermission: { type: 'string' },
    ...lists,
  },
};

export const mapExample = {
  body: {
    orgId: 'acme-emea',
    records: [{ ticketId: 'T1001', priority: 'high', sourceChannel: 'web' }],
  },
  answer: {
    success: true,
    processed: 1,
    allowedAttributes: ['crm_channel_source', 'crm_ticket_id', 'crm_ticket_priority'],
    rejected: [],
    failed: [],
    superseded: [],
    unchanged: 0,
    skippedAttributes: [],
    warnings: [],
  },
} as const;

export const mapResponses: Route['responses'] = {
  200: {
    description: 'Every record is written, unchanged or superseded; or the stream of an import',
    schema: mapAnswerSchema,
    mediaTypes: ['application/x-ndjson'],
    example: mapExample.answer,
  },
  207: {
    description: 'Some records are written; the lists say which',
    schema: mapAnswerSchema,
  },
  400: { description: 'Malformed, or no record could be written', problem: mapProblemSchema },
  403: { description: 'We lack a permission in Genesys Cloud', problem: mapProblemSchema },
  422: {
    description: 'The tree above the organisation is too deep',
    problem: mapProblemSchema,
  },
  502: {
    description: 'Genesys Cloud failed; nothing is known to be written',
    problem: mapProblemSchema,
  },
  503: {
    description: 'Genesys Cloud asks to wait, or the service stops; nothing is known to be written',
    problem: mapProblemSchema,
  },
  504: { description: 'Genesys Cloud did not answer in time', problem: mapProblemSchema },
};
