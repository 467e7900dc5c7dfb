import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import { cutText } from '../../lib/cut-text.ts';
import { readInteger } from '../../lib/decimal.ts';
import { Problem, type ProblemDetail } from '../problem.ts';
import type { JsonSchema } from '../route.ts';
import { tooLarge } from './too-large.ts';

const addFormats = formats.default;

const MAX_REPORTED = 50;
/** Every fault of a larger body would cost more memory than the body itself: only the first. */
const REPORT_ALL_BELOW_BYTES = 65_536;

/** Compiles the schemas of the routes, each once. */
export interface SchemaChecks {
  /** @returns a check that yields the typed parameters, or throws Problem 400 with every fault. */
  query(
    schema: JsonSchema | undefined,
  ): (search: URLSearchParams) => Readonly<Record<string, unknown>>;
  /**
   * @param streams media types of the route whose bodies have no bounds, for who sends too many
   * @returns a check that throws Problem 400, or 413 for a list that is too long where there are such
   */
  body(schema: JsonSchema, streams: readonly string[]): (value: unknown, bytes: number) => void;
}

export function createSchemaChecks(): SchemaChecks {
  const common = { strict: true, allowUnionTypes: true } as const;
  const ofQuery = new Ajv2020({ ...common, allErrors: true, useDefaults: true });
  const ofBody = new Ajv2020(common);
  const ofBodyThorough = new Ajv2020({ ...common, allErrors: true });
  for (const ajv of [ofQuery, ofBody, ofBodyThorough]) addFormats(ajv);

  return {
    query(schema) {
      const validate = schema === undefined ? undefined : ofQuery.compile(schema);
      const properties = (schema?.['properties'] ?? {}) as Readonly<Record<string, JsonSchema>>;
      const types = new Map(Object.entries(properties).map(([name, { type }]) => [name, type]));
      return (search) => checkQuery(search, types, validate);
    },
    body(schema, streams) {
      const validate = ofBody.compile(schema);
      let thorough: ValidateFunction | undefined;
      return (value, bytes) => {
        if (validate(value)) return;
        let errors = validate.errors;
        if (bytes <= REPORT_ALL_BELOW_BYTES) {
          thorough ??= ofBodyThorough.compile(schema);
          thorough(value);
          errors = thorough.errors ?? errors;
        }
        const tooLong = errors?.find(({ keyword }) => keyword === 'maxItems');
        if (tooLong !== undefined && streams.length > 0) throw tooManyItems(tooLong, streams);
        throw invalid('invalid_body', 'body', (errors ?? []).map(bodyDetail));
      };
    },
  };
}

function checkQuery(
  search: URLSearchParams,
  types: ReadonlyMap<string, unknown>,
  validate: ValidateFunction | undefined,
): Readonly<Record<string, unknown>> {
  const values = Object.create(null) as Record<string, unknown>;
  const errors: ProblemDetail[] = [];
  for (const [name, value] of search) {
    if (!types.has(name)) {
      const list = types.size === 0 ? 'this route takes none' : [...types.keys()].join(', ');
      errors.push({
        where: cutText(name, 100),
        message: `is not a query parameter of this route; allowed: ${list}`,
      });
    } else if (name in values) {
      errors.push({ where: name, message: 'must be given once' });
    } else {
      values[name] = typed(value, types.get(name));
    }
  }
  if (validate !== undefined && !validate(values)) {
    errors.push(...(validate.errors ?? []).map(queryDetail));
  }
  if (errors.length > 0) throw invalid('invalid_query', 'query', errors);
  return values;
}

/** Ajv's own coercion takes `0x10`, `1e1` and ` 5` for numbers; what does not convert stays text. */
function typed(text: string, type: unknown): unknown {
  if (type === 'integer') return readInteger(text) ?? text;
  if (type === 'boolean' && (text === 'true' || text === 'false')) return text === 'true';
  return text;
}

function tooManyItems({ instancePath, params }: ErrorObject, streams: readonly string[]): Problem {
  const { limit: maxItems } = params as { limit: number };
  return tooLarge(`has more than ${maxItems} items at ${instancePath}`, { maxItems }, streams);
}

function invalid(code: string, part: string, errors: readonly ProblemDetail[]): Problem {
  const count = errors.length === 1 ? 'one fault' : `${errors.length} faults`;
  const first = errors[0];
  const example = first === undefined ? '' : `: ${first.where} ${first.message}`;
  return new Problem(
    400,
    code,
    `The ${part} has ${count}${errors.length > 1 ? ', first' : ''}${example}.`,
    {
      errors: errors.slice(0, MAX_REPORTED),
    },
  );
}

function queryDetail(error: ErrorObject): ProblemDetail {
  const { missingProperty, type } = error.params as { missingProperty?: string; type?: string };
  if (missingProperty !== undefined) return { where: missingProperty, message: 'is required' };
  const form = FORMS[type ?? ''];
  const message = messageOf(error);
  return {
    where: error.instancePath.slice(1),
    message: form === undefined ? message : `${message}: ${form}`,
  };
}

/** How a query writes values of a type. */
const FORMS: Readonly<Record<string, string>> = {
  integer: 'decimal digits',
  boolean: 'true or false',
};

function bodyDetail(error: ErrorObject): ProblemDetail {
  return { where: cutText(error.instancePath, 200) || '/', message: messageOf(error) };
}

/** AJV's words, completed with what is allowed. */
function messageOf(error: ErrorObject): string {
  const params = error.params as {
    allowedValues?: readonly unknown[];
    allowedValue?: unknown;
    additionalProperty?: string;
  };
  const message = error.message ?? 'is not valid';
  if (params.allowedValues !== undefined) return `${message}: ${params.allowedValues.join(', ')}`;
  if (params.allowedValue !== undefined)
    return `${message}: ${JSON.stringify(params.allowedValue)}`;
  if (params.additionalProperty !== undefined) {
    return `${message}: ${cutText(params.additionalProperty, 100)}`;
  }
  return message;
}
