import { ConfigError } from '../../errors.ts';
import { shorten } from '../../lib/cut-text.ts';
import { isJsonObject, type JsonObject } from '../../lib/json-object.ts';
import { compileLinearRegex } from '../../lib/patterns/linear-regex.ts';

export type FilterVerdict =
  | { readonly matched: true; readonly rule: string }
  | { readonly matched: false; readonly reason: string };

/**
 * The rules that say which events are forwarded, as operators write them
 * (`config/event-filter.json`). An event passes when everything under `all` holds, and at least one
 * of the named rules under `any`; the first of them is the one that the verdict names.
 *
 * ```json
 * {
 *   "all": [{ "path": "resourceType", "equals": "interaction" }],
 *   "any": [
 *     { "name": "high-priority", "path": "payload.priority", "equals": "high" },
 *     { "name": "priority-queue", "path": "payload.routing.queue.name", "contains": "priority", "ignoreCase": true }
 *   ]
 * }
 * ```
 *
 * A condition is one test of one field, or a group of conditions:
 *
 * | test | holds when the field |
 * |---|---|
 * | `equals` | is this text, number, boolean or null |
 * | `in` | is one of this list |
 * | `contains` | is a text that contains this text |
 * | `matches` | is a text in which this pattern is found (linear time: no look-around) |
 * | `exists` | is there (`true`), is not there (`false`) |
 * | `all`, `any`, `not` | groups: a list of conditions, a list, one condition |
 *
 * `path` is `name.name.name`, or a JSON Pointer (`/name/name`) for names with dots. `ignoreCase: true`
 * goes with the tests of text. Nothing an event contains makes a filter throw.
 */
export interface EventFilter {
  verdict(event: unknown): FilterVerdict;
}

type Scalar = string | number | boolean | null;

interface Condition {
  holds(event: unknown): boolean;
  /** Why it does not hold, as a sentence; only asked for when it does not. */
  why(event: unknown): string;
}

interface Compiling {
  readonly problems: string[];
}

const TESTS = ['equals', 'in', 'contains', 'matches', 'exists'] as const;
const GROUPS = ['all', 'any', 'not'] as const;
const MAX_DEPTH = 16;
const MAX_SHOWN = 80;

/** @throws ConfigError with every problem and its JSON Pointer. */
export function compileFilter(definition: unknown): EventFilter {
  const problems: string[] = [];
  const filter = compileRules(definition, { problems });
  if (problems.length > 0) throw new ConfigError(problems, { code: 'invalid_filter' });
  return filter;
}

function compileRules(definition: unknown, context: Compiling): EventFilter {
  const { problems } = context;
  if (!isJsonObject(definition)) {
    problems.push('The filter must be an object with "all", "any" or both');
    return { verdict: () => ({ matched: false, reason: 'no rules' }) };
  }
  const unknown = Object.keys(definition).filter(
    (key) => !['$comment', 'all', 'any'].includes(key),
  );
  if (unknown.length > 0)
    problems.push(`/${unknown.join(', /')}: unknown; allowed are all and any`);
  if (definition['all'] === undefined && definition['any'] === undefined) {
    problems.push('The filter must have "all", "any" or both');
  }
  const every = compileList(definition['all'] ?? [], '/all', 1, context);
  const rules = compileList(definition['any'] ?? [], '/any', 1, context).map((condition, index) => {
    const rule: unknown = Array.isArray(definition['any']) ? definition['any'][index] : undefined;
    const name = isJsonObject(rule) ? rule['name'] : undefined;
    if (typeof name !== 'string' || name === '') problems.push(`/any/${index}: needs a "name"`);
    return { condition, verdict: { matched: true, rule: String(name) } as const };
  });
  const always = { matched: true, rule: 'all' } as const;

  return {
    verdict(event) {
      for (const condition of every) {
        if (!condition.holds(event)) return refusal(() => condition.why(event));
      }
      for (const rule of rules) {
        if (rule.condition.holds(event)) return rule.verdict;
      }
      if (rules.length === 0) return always;
      return refusal(() =>
        rules.map((rule) => `${rule.verdict.rule}: ${rule.condition.why(event)}`).join('; '),
      );
    },
  };
}

/** The reason is put into words only when somebody reads it: most events are refused. */
function refusal(why: () => string): FilterVerdict {
  return {
    matched: false,
    get reason() {
      return why();
    },
  };
}

function compileList(
  list: unknown,
  at: string,
  depth: number,
  context: Compiling,
): readonly Condition[] {
  if (!Array.isArray(list)) {
    context.problems.push(`${at}: must be a list of conditions`);
    return [];
  }
  return list.map((item: unknown, index) =>
    compileCondition(item, `${at}/${index}`, depth, context),
  );
}

function compileCondition(
  source: unknown,
  at: string,
  depth: number,
  context: Compiling,
): Condition {
  const { problems } = context;
  const fail = (problem: string): Condition => {
    problems.push(`${at}: ${problem}`);
    return { holds: () => false, why: () => problem };
  };
  if (!isJsonObject(source)) return fail('must be an object');
  if (depth > MAX_DEPTH) return fail(`nested deeper than ${MAX_DEPTH} levels`);
  const kinds = [...TESTS, ...GROUPS].filter((kind) => Object.hasOwn(source, kind));
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    return fail(`needs exactly one of ${[...TESTS, ...GROUPS].join(', ')}`);
  }
  const isGroup = (GROUPS as readonly string[]).includes(kind);
  const allowed = new Set(['name', '$comment', kind, ...(isGroup ? [] : ['path', 'ignoreCase'])]);
  const unknown = Object.keys(source).filter((key) => !allowed.has(key));
  if (unknown.length > 0) return fail(`unknown ${unknown.join(', ')}`);

  switch (kind) {
    case 'all': {
      const parts = compileList(source[kind], `${at}/all`, depth + 1, context);
      return {
        holds: (event) => parts.every((part) => part.holds(event)),
        why: (event) => parts.find((part) => !part.holds(event))?.why(event) ?? '',
      };
    }
    case 'any': {
      const parts = compileList(source[kind], `${at}/any`, depth + 1, context);
      return {
        holds: (event) => parts.some((part) => part.holds(event)),
        why: (event) => parts.map((part) => part.why(event)).join(' and '),
      };
    }
    case 'not': {
      const part = compileCondition(source[kind], `${at}/not`, depth + 1, context);
      return {
        holds: (event) => !part.holds(event),
        why: () => `what ${at}/not excludes holds`,
      };
    }
    case 'equals':
    case 'in':
    case 'contains':
    case 'matches':
    case 'exists':
      return compileTest(kind, source, fail);
    default:
      return kind satisfies never;
  }
}

function compileTest(
  kind: (typeof TESTS)[number],
  source: JsonObject,
  fail: (problem: string) => Condition,
): Condition {
  const { path, ignoreCase = false, [kind]: operand } = source;
  if (typeof path !== 'string' || path === '') return fail('needs a "path"');
  if (typeof ignoreCase !== 'boolean') return fail('"ignoreCase" must be true or false');
  const names = path.startsWith('/')
    ? path.slice(1).split('/').map(unescapePointer)
    : path.split('.');
  const fold = (value: unknown): unknown =>
    ignoreCase && typeof value === 'string' ? value.toLowerCase() : value;

  const condition = (test: (value: unknown) => boolean, wanted: string): Condition => ({
    holds: (event) => test(valueAt(event, names)),
    why: (event) => `${path} is ${show(valueAt(event, names))}, ${wanted}`,
  });

  switch (kind) {
    case 'equals': {
      if (!isScalar(operand)) return fail('"equals" must be a text, number, boolean or null');
      const expected = fold(operand);
      return condition((value) => fold(value) === expected, `not ${show(operand)}`);
    }
    case 'in': {
      if (!Array.isArray(operand) || operand.length === 0 || !operand.every(isScalar)) {
        return fail('"in" must be a list of texts, numbers, booleans or nulls');
      }
      const expected = new Set(operand.map(fold));
      return condition((value) => expected.has(fold(value)), `not one of ${show(operand)}`);
    }
    case 'contains': {
      if (typeof operand !== 'string' || operand === '') return fail('"contains" must be a text');
      const expected = ignoreCase ? operand.toLowerCase() : operand;
      return condition(
        (value) =>
          typeof value === 'string' &&
          (ignoreCase ? value.toLowerCase() : value).includes(expected),
        `which does not contain ${show(operand)}`,
      );
    }
    case 'matches': {
      if (typeof operand !== 'string') return fail('"matches" must be a pattern');
      try {
        const regex = compileLinearRegex(operand, ignoreCase ? 'i' : '');
        return condition(
          (value) => typeof value === 'string' && regex.test(value),
          `which does not match ${show(operand)}`,
        );
      } catch (error) {
        return fail(error instanceof Error ? error.message : String(error));
      }
    }
    case 'exists':
      if (typeof operand !== 'boolean') return fail('"exists" must be true or false');
      return condition(
        (value) => (value !== undefined) === operand,
        operand ? 'but must be there' : 'but must not be there',
      );
    default:
      return kind satisfies never;
  }
}

/** Own properties only: `__proto__` and `constructor` are names like any other. */
function valueAt(event: unknown, names: readonly string[]): unknown {
  let value = event;
  for (const name of names) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name))
      return undefined;
    value = (value as JsonObject)[name];
  }
  return value;
}

function show(value: unknown): string {
  if (value === undefined) return 'missing';
  if (Array.isArray(value) && !value.every(isScalar)) return 'a list';
  if (isJsonObject(value)) return 'an object';
  const text = JSON.stringify(value);
  return shorten(text, MAX_SHOWN);
}

function isScalar(value: unknown): value is Scalar {
  return value === null || ['string', 'number', 'boolean'].includes(typeof value);
}

function unescapePointer(token: string): string {
  return token.replaceAll('~1', '/').replaceAll('~0', '~');
}
