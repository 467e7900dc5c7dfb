import { Ajv } from 'ajv';
import { covers, type FaultRule } from './faults.ts';
import { Refusal } from './genesys/error-body.ts';

const share = { type: 'number', minimum: 0, maximum: 1 } as const;
const text = { type: 'string' } as const;
const count = { type: 'integer', minimum: 0 } as const;

const schema = {
  type: 'object',
  required: ['target'],
  additionalProperties: false,
  properties: {
    id: { type: 'string', pattern: '^[\\w.-]{1,64}$' },
    target: text,
    status: { type: 'integer', minimum: 200, maximum: 599 },
    code: text,
    message: text,
    retryAfter: text,
    html: { type: 'boolean' },
    body: text,
    latencyMs: count,
    reset: { enum: ['before', 'after', 'middle'] },
    hang: { enum: [true, false, 'middle'] },
    entryFailures: {
      type: 'object',
      required: ['code'],
      additionalProperties: false,
      properties: {
        rate: share,
        ids: { type: 'array', items: text },
        code: text,
        message: text,
      },
    },
    repeatPage: { type: 'boolean' },
    stream: {
      type: 'object',
      required: ['kind'],
      additionalProperties: false,
      properties: {
        kind: {
          enum: [
            'cut-line',
            'cut-character',
            'end',
            'silence',
            'keep-alive-only',
            'garbage',
            'long-line',
          ],
        },
        afterEvents: count,
        bytes: { type: 'integer', minimum: 16, maximum: 1_073_741_824 },
      },
    },
    times: count,
    rate: share,
  },
} as const;

/**
 * Checks rules that come over the network; the parser throws Refusal 400 with all that is wrong. A
 * rule for none of the operations would do nothing, without a word.
 */
export function createFaultRuleParser(
  operations: readonly string[],
): (value: unknown) => FaultRule {
  const ajv = new Ajv({ allErrors: true });
  const validate = ajv.compile<FaultRule>(schema);
  return (value) => {
    if (!validate(value)) {
      throw new Refusal(400, `The rule is not usable: ${ajv.errorsText(validate.errors)}`);
    }
    if (!operations.some((operation) => covers(value.target, operation))) {
      throw new Refusal(
        400,
        `The rule is not usable: there is no target ${JSON.stringify(value.target)}; allowed: *, a name, or the beginning of one before a dot: ${operations.join(', ')}`,
      );
    }
    return value;
  };
}
