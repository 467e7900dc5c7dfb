import type { ErrorObject, ValidateFunction } from 'ajv';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { PipelineIssue } from './issue.ts';
import { explain, openDialect } from './schema-dialects.ts';

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
 * A JSON Schema of the whole transformed event: 2020-12 unless its `$schema` says 2019-09, draft-07,
 * draft-06 or draft-04. An unknown keyword or format is a mistake, not a remark.
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
  let opened: ReturnType<typeof openDialect> | undefined;
  try {
    opened = openDialect(schema, options.strict);
    const validate = opened.ajv.compile(opened.schema);
    if ('$async' in validate) throw new Error('$async schemas cannot be used');
    return validate;
  } catch (error) {
    const reason = opened === undefined ? messageOf(error) : explain(error, opened.ajv);
    throw new ConfigError([`The schema cannot be used: ${reason}`], {
      code: 'invalid_schema',
      cause: error,
    });
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
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
    return [{ path: at, keyword: 'failed', message: `could not be checked: ${messageOf(error)}` }];
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
