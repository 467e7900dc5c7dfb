import { Ajv, type FuncKeywordDefinition, type Options, str } from 'ajv';
import { Ajv2019 } from 'ajv/dist/2019.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
import draft06 from 'ajv/dist/refs/json-schema-draft-06.json' with { type: 'json' };
import ajvDraft04 from 'ajv-draft-04';
import formats from 'ajv-formats';
import { cutText } from '../../lib/cut-text.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import { nearestName } from '../../lib/nearest-name.ts';
import { compileLinearRegex } from '../../lib/patterns/linear-regex.ts';
import { INTERNATIONAL_FORMATS } from './schema-formats.ts';

const AjvDraft04 = ajvDraft04.default;
const addFormats = formats.default;

type AnyAjv = Ajv | Ajv2019 | Ajv2020;

/** By what `$schema` may say, without the scheme and a `#` at the end. */
const DIALECTS = {
  'json-schema.org/draft/2020-12/schema': (options: Options) => new Ajv2020(options),
  'json-schema.org/draft/2019-09/schema': (options: Options) => new Ajv2019(options),
  'json-schema.org/draft-07/schema': (options: Options) => new Ajv(options),
  'json-schema.org/draft-06/schema': (options: Options) =>
    new Ajv(options).addMetaSchema(draft06, undefined, false),
  'json-schema.org/draft-04/schema': (options: Options) => new AjvDraft04(options),
} as const;
type Dialect = keyof typeof DIALECTS;

const LATEST: Dialect = 'json-schema.org/draft/2020-12/schema';
/** The last dialect in which `items` may be a list of schemas. */
const LAST_WITH_TUPLES: Dialect = 'json-schema.org/draft/2019-09/schema';

/** Keywords of the standards that ajv reads and does not list. */
const UNLISTED_KEYWORDS = ['$anchor'];
const KEYWORD_NAME = /^x-[\w$:-]+$/;

/** A validator for a schema, and the schema with its dialect as that validator calls it. */
export function openDialect(
  schema: boolean | Readonly<Record<string, unknown>>,
  strict: boolean,
): { readonly ajv: AnyAjv; readonly schema: boolean | Readonly<Record<string, unknown>> } {
  const dialect = dialectOf(schema);
  const ajv: AnyAjv = DIALECTS[dialect]({
    // An unknown keyword or format is a typing error that would let everything pass; the other
    // remarks of the strict mode are about schemas that say what they mean.
    strictSchema: strict,
    strictNumbers: true,
    strictTypes: false,
    strictTuples: false,
    strictRequired: false,
    allowMatchingProperties: true,
    allErrors: true,
    logger: false,
    code: { regExp: Object.assign(linearRegExp, { code: 'linearRegExp' }) },
  });
  addFormats(ajv);
  for (const [name, format] of Object.entries(INTERNATIONAL_FORMATS)) ajv.addFormat(name, format);
  ajv.removeKeyword('multipleOf');
  ajv.addKeyword(exactMultipleOf);
  if (dialect === LATEST || dialect === LAST_WITH_TUPLES) ajv.addVocabulary(UNLISTED_KEYWORDS);
  // Remarks of other tools; nobody writes `x-` by mistake.
  ajv.addVocabulary([...extensionKeywords(schema)]);
  if (!isJsonObject(schema)) return { ajv, schema };
  const scheme = dialect === LATEST || dialect === LAST_WITH_TUPLES ? 'https' : 'http';
  return { ajv, schema: { ...schema, $schema: `${scheme}://${dialect}` } };
}

/** What ajv says of a schema, with the name that was probably meant. */
export function explain(error: unknown, ajv: AnyAjv): string {
  const reason = error instanceof Error ? error.message : String(error);
  const keyword = /unknown keyword: "([^"]*)"/.exec(reason)?.[1];
  const format = /unknown format "([^"]*)"/.exec(reason)?.[1];
  if (keyword !== undefined) {
    const nearest = nearestName(keyword, Object.keys(ajv.RULES.keywords));
    return `unknown keyword ${JSON.stringify(keyword)}${meant(nearest)}`;
  }
  if (format === undefined) return reason;
  const known = Object.keys(ajv.formats).sort();
  const nearest = nearestName(format, known);
  const hint = nearest === undefined ? `; known are ${known.join(', ')}` : meant(nearest);
  return `unknown format ${JSON.stringify(format)}${hint}`;
}

function meant(name: string | undefined): string {
  return name === undefined ? '' : `; is ${JSON.stringify(name)} meant?`;
}

function dialectOf(schema: unknown): Dialect {
  const named = isJsonObject(schema) ? schema['$schema'] : undefined;
  if (named === undefined) return hasTuple(schema) ? LAST_WITH_TUPLES : LATEST;
  const key = typeof named === 'string' ? named.replace(/^https?:\/\//, '').replace(/#$/, '') : '';
  if (key === 'json-schema.org/schema') return LATEST;
  if (isDialect(key)) return key;
  const known = Object.keys(DIALECTS).map((name) => `https://${name}`);
  throw new Error(
    `unknown dialect in $schema: ${cutText(JSON.stringify(named), 200)}; known are ${known.join(', ')}`,
  );
}

function isDialect(key: string): key is Dialect {
  return Object.hasOwn(DIALECTS, key);
}

function hasTuple(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (!Array.isArray(value) && 'items' in value && Array.isArray(value.items)) return true;
  return Object.values(value).some(hasTuple);
}

function extensionKeywords(value: unknown, found = new Set<string>()): Set<string> {
  if (typeof value !== 'object' || value === null) return found;
  for (const [key, item] of Object.entries(value)) {
    if (KEYWORD_NAME.test(key)) found.add(key);
    extensionKeywords(item, found);
  }
  return found;
}

/** Ajv's own flag is `u`, which linear patterns always are; it distinguishes patterns by their text. */
function linearRegExp(pattern: string, flags: string) {
  const regex = compileLinearRegex(pattern, flags.replace('u', ''));
  return { test: regex.test, toString: () => `/${pattern}/${flags}` };
}

/** With the decimal digits as they are written: 0.3 is a multiple of 0.1, and 1e300 one of 3 is not. */
const exactMultipleOf: FuncKeywordDefinition = {
  keyword: 'multipleOf',
  type: 'number',
  schemaType: 'number',
  validate: (divisor: number, value: number) => isMultiple(value, divisor),
  errors: false,
  error: {
    message: ({ schemaCode }) => str`must be multiple of ${schemaCode}`,
  },
};

function isMultiple(value: number, divisor: number): boolean {
  if (Number.isSafeInteger(value) && Number.isSafeInteger(divisor)) return value % divisor === 0;
  if (!Number.isFinite(value)) return false;
  const [digits, exponent] = decimal(value);
  const [divisorDigits, divisorExponent] = decimal(divisor);
  const common = Math.min(exponent, divisorExponent);
  const scaled = (number: bigint, by: number) => number * 10n ** BigInt(by - common);
  return scaled(digits, exponent) % scaled(divisorDigits, divisorExponent) === 0n;
}

/** `[digits, exponent]` of the shortest decimal that is this number. */
function decimal(value: number): readonly [bigint, number] {
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e');
  const [whole = '0', fraction = ''] = mantissa.split('.');
  return [BigInt(whole + fraction), Number(exponent) - fraction.length];
}
