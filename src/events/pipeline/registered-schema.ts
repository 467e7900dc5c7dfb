import type { ValidateFunction } from 'ajv';
import { ConfigError } from '../../errors.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import type { RegisteredSchema } from '../ports.ts';
import { compileSchema, type EventSchema, issuesOf } from './event-schema.ts';

/** What EventBridge adds on delivery; a schema that asks for it describes delivered events. */
const ADDED_BY_THE_BUS = ['account', 'region', 'version'];

const NOT_VALIDATION = new Set(['example', 'discriminator', 'xml', 'externalDocs', 'deprecated']);

/**
 * A schema of the AWS Schema Registry, compiled.
 *
 * Schemas that AWS made describe the event as it is delivered, with an account and a region that
 * ours has not got yet. So it is the `detail` that is checked, against what the envelope's
 * `properties.detail` refers to. A hand-made schema of the whole event that asks for nothing the bus
 * adds is applied to the whole event; one without `detail` describes the detail.
 *
 * @param component name under `components.schemas` or `definitions` to apply to the detail instead
 * @throws ConfigError
 */
export function compileRegisteredSchema(
  registered: Pick<RegisteredSchema, 'content' | 'type'>,
  component?: string,
): EventSchema {
  const document = parse(registered.content);
  const definitions = definitionsOf(document, registered.type);
  const compile = (root: JsonObject): ValidateFunction =>
    compileSchema(
      { ...root, $schema: 'http://json-schema.org/draft-04/schema#', definitions },
      { strict: false },
    );
  const ofDetail = (root: JsonObject): EventSchema => {
    const validate = compile(root);
    return { issues: (transformed) => issuesOf(validate, transformed['detail'], '/detail') };
  };

  if (component !== undefined) {
    if (!Object.hasOwn(definitions, component)) throw noSuchComponent(component, definitions);
    return ofDetail({ $ref: referenceTo(component) });
  }
  const root = registered.type === 'OpenApi3' ? undefined : fromOpenApi(document);
  const envelope = isJsonObject(definitions['AWSEvent']) ? definitions['AWSEvent'] : root;
  if (envelope === undefined) {
    const [only, ...others] = Object.keys(definitions);
    if (only === undefined || others.length > 0) throw noSuchComponent(undefined, definitions);
    return ofDetail({ $ref: referenceTo(only) });
  }
  const detail = isJsonObject(envelope['properties'])
    ? envelope['properties']['detail']
    : undefined;
  if (!isJsonObject(detail)) return ofDetail(envelope);
  const required = Array.isArray(envelope['required']) ? envelope['required'] : [];
  if (ADDED_BY_THE_BUS.some((name) => required.includes(name))) return ofDetail(detail);
  const validate = compile(envelope);
  return { issues: (transformed) => issuesOf(validate, transformed, '') };
}

function parse(content: string): JsonObject {
  let document: unknown;
  try {
    document = JSON.parse(content);
  } catch (error) {
    throw unusable('is not JSON', error);
  }
  if (!isJsonObject(document)) throw unusable('is not a JSON object');
  return document;
}

function definitionsOf(document: JsonObject, type: RegisteredSchema['type']): JsonObject {
  const components = isJsonObject(document['components']) ? document['components'] : {};
  const found = type === 'OpenApi3' ? components['schemas'] : document['definitions'];
  if (isJsonObject(found)) return mapValues(found, fromOpenApi);
  if (type === 'OpenApi3') throw unusable('has no components.schemas');
  return {};
}

/**
 * An OpenAPI 3.0 schema as JSON Schema draft-04, which it is but for `nullable`, the place of
 * references, and keywords that validate nothing. Only schemas are rewritten: a property may well be
 * *named* `example`. A draft-04 schema comes out as it is, without `x-…`.
 */
function fromOpenApi(schema: unknown): JsonObject {
  if (!isJsonObject(schema)) return {};
  const result: [string, unknown][] = [];
  for (const [keyword, value] of Object.entries(schema)) {
    if (keyword === 'nullable' || keyword.startsWith('x-') || NOT_VALIDATION.has(keyword)) continue;
    result.push([keyword, rewriteKeyword(keyword, value)]);
  }
  const rewritten = Object.fromEntries(result);
  return schema['nullable'] === true ? orNull(rewritten) : rewritten;
}

function rewriteKeyword(keyword: string, value: unknown): unknown {
  switch (keyword) {
    case 'properties':
    case 'patternProperties':
    case 'definitions':
      return isJsonObject(value) ? mapValues(value, fromOpenApi) : value;
    case 'items':
    case 'additionalItems':
    case 'additionalProperties':
    case 'not':
      if (Array.isArray(value)) return value.map(fromOpenApi);
      return isJsonObject(value) ? fromOpenApi(value) : value;
    case 'allOf':
    case 'anyOf':
    case 'oneOf':
      return Array.isArray(value) ? value.map(fromOpenApi) : value;
    case '$ref':
      return typeof value === 'string'
        ? value.replace(/^#\/components\/schemas\//, '#/definitions/')
        : value;
    default:
      return value;
  }
}

function orNull(schema: JsonObject): JsonObject {
  if (typeof schema['type'] !== 'string') return { anyOf: [{ type: 'null' }, schema] };
  const values = Array.isArray(schema['enum'])
    ? { enum: [...new Set<unknown>([...(schema['enum'] as unknown[]), null])] }
    : {};
  return { ...schema, type: [schema['type'], 'null'], ...values };
}

function mapValues(object: JsonObject, map: (value: unknown) => JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(object).map(([name, value]) => [name, map(value)]));
}

function referenceTo(component: string): string {
  const token = component.replaceAll('~', '~0').replaceAll('/', '~1');
  return `#/definitions/${encodeURIComponent(token)}`;
}

function noSuchComponent(component: string | undefined, definitions: JsonObject): ConfigError {
  const names = Object.keys(definitions).slice(0, 20).join(', ');
  return unusable(
    component === undefined
      ? `has no AWSEvent: say which component describes the detail; it has ${names || 'none'}`
      : `has no component ${JSON.stringify(component)}; it has ${names || 'none'}`,
  );
}

function unusable(what: string, cause?: unknown): ConfigError {
  return new ConfigError([`The registered schema ${what}`], { code: 'invalid_schema', cause });
}
