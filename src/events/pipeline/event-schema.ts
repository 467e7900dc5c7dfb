import { Ajv, type ErrorObject, type Options, type ValidateFunction } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import ajvDraft04 from 'ajv-draft-04';
import formats from 'ajv-formats';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import { compileLinearRegex } from '../../lib/linear-regex.ts';
import type { PipelineIssue } from './issue.ts';

const AjvDraft04 = ajvDraft04.default;
const addFormats = formats.default;

/** `warn` publishes what breaks the schema, with a warning. */
export type SchemaMode = 'off' | 'warn' | 'enforce';

/** A compiled schema; it may be used any number of times. */
export interface EventSchema {
  /** Everything that speaks against the transformed event, at most `MAX_ISSUES`; none = valid. */
  issues(transformed: JsonObject): readonly PipelineIssue[];
}

const MAX_ISSUES = 50;
const NONE: readonly PipelineIssue[] = [];

/**
 * A JSON Schema of the whole transformed event: 2020-12 unless its `$schema` says 2019-09, draft-07
 * or draft-04. Strict: an unknown keyword or format is a mistake, not a remark.
 *
 * @throws ConfigError
 */
export function compileEventSchema(schema: unknown): EventSchema {
  const validate = compileSchema(schema, { strict: true });
  return { issues: (transformed) => issuesOf(validate, transformed, '') };
}

/**
 * @param options.strict `false` for schemas that others have made and that we cannot correct.
 * @throws ConfigError when it is no schema, refers to another file, or has a pattern that would need
 *   back-tracking.
 */
export function compileSchema(schema: unknown, options: { strict: boolean }): ValidateFunction {
  if (typeof schema !== 'boolean' && !isJsonObject(schema)) {
    throw new ConfigError(['The schema must be a JSON object'], { code: 'invalid_schema' });
  }
  try {
    const dialect = isJsonObject(schema) ? schema['$schema'] : undefined;
    const ajv = createAjv(typeof dialect === 'string' ? dialect : '', options.strict);
    const validate = ajv.compile(schema);
    if ('$async' in validate) throw new Error('$async schemas cannot be used');
    return validate;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError([`The schema cannot be used: ${reason}`], {
      code: 'invalid_schema',
      cause: error,
    });
  }
}

function createAjv(dialect: string, strict: boolean): Ajv | Ajv2019 | Ajv2020 {
  const options: Options = {
    strict,
    // `anyOf` of `required` lists is an idiom, not a mistake.
    strictRequired: false,
    allErrors: true,
    logger: false,
    code: { regExp: Object.assign(linearRegExp, { code: 'linearRegExp' }) },
  };
  let ajv: Ajv | Ajv2019 | Ajv2020;
  if (dialect.includes('draft-04')) ajv = new AjvDraft04(options);
  else if (dialect.includes('draft-07')) ajv = new Ajv(options);
  else if (dialect.includes('2019-09')) ajv = new Ajv2019(options);
  else ajv = new Ajv2020(options);
  return addFormats(ajv);
}

/** Ajv's own flag is `u`, which linear patterns always are; it tells patterns apart by their text. */
function linearRegExp(pattern: string, flags: string) {
  const regex = compileLinearRegex(pattern, flags.replace('u', ''));
  return { test: regex.test, toString: () => `/${pattern}/${flags}` };
}

/** @param at JSON Pointer to `value` in the transformed event. */
export function issuesOf(
  validate: ValidateFunction,
  value: unknown,
  at: string,
): readonly PipelineIssue[] {
  try {
    if (validate(value)) return NONE;
  } catch (error) {
    // A schema that refers to itself, and a value too deep for it.
    const message = error instanceof Error ? error.message : String(error);
    return [{ path: at, keyword: 'failed', message: `could not be checked: ${message}` }];
  }
  return (validate.errors ?? []).slice(0, MAX_ISSUES).map((error) => toIssue(error, at));
}

function toIssue(error: ErrorObject, at: string): PipelineIssue {
  const params: JsonObject = error.params;
  const extra =
    error.keyword === 'additionalProperties'
      ? ` (${JSON.stringify(params['additionalProperty'])})`
      : error.keyword === 'enum'
        ? `: ${JSON.stringify(params['allowedValues'])}`
        : '';
  return {
    path: `${at}${error.instancePath}`,
    keyword: error.keyword,
    message: `${error.message ?? 'is not valid'}${extra}`,
  };
}
