import { messageOf } from '../../errors.ts';
import { cutText, shorten } from '../../lib/cut-text.ts';
import { kindOf } from '../../lib/json-object.ts';
import { compileLinearRegex } from '../../lib/patterns/linear-regex.ts';
import type { AttributeDefinition, AttributeValue, ValidationRule } from '../ports.ts';
import { ISO_DATE_RULE, isIsoDate } from './iso-date.ts';

/** One thing that is wrong with a record. The message never quotes the record. */
export interface FieldError {
  /** The attribute, or `id` or `record` for what concerns the whole record. */
  readonly attribute: string;
  readonly rule: string;
  readonly message: string;
}

export interface CompiledDefinition {
  /** What is wrong with the definition itself, for the answer. */
  readonly warnings: readonly string[];
  /** Every rule that the value breaks; empty when it may be written. */
  readonly check: (value: unknown) => readonly FieldError[];
  /** What a record without a value gets; `undefined` when it may simply do without. */
  readonly absent: Absent | undefined;
}

type Absent = { readonly value: AttributeValue } | { readonly errors: readonly FieldError[] };

/** Says what is wrong with a value of the right type; `undefined` when nothing is. */
type Rule = (value: AttributeValue) => string | undefined;

const NO_ERRORS: readonly FieldError[] = [];

/** Turns a definition into checks; its patterns are compiled here, once. */
export function compileDefinition(
  definition: AttributeDefinition,
  origin: string,
): CompiledDefinition {
  const { name } = definition;
  const place = `The definition of ${name} (organisation ${origin})`;
  const warnings: string[] = [];
  const checkType = typeCheck(definition, place, warnings);
  const rules = definition.validationRules.flatMap((rule) => {
    const compiled = compileRule(rule, definition, place, warnings);
    return compiled === undefined ? [] : [{ type: rule.type, broken: compiled }];
  });

  function check(value: unknown): readonly FieldError[] {
    const wrongType = checkType(value);
    if (wrongType !== undefined) return [{ attribute: name, rule: 'type', message: wrongType }];
    let errors: FieldError[] | undefined;
    for (const { type, broken } of rules) {
      const message = broken(value as AttributeValue);
      if (message === undefined) continue;
      errors ??= [];
      errors.push({ attribute: name, rule: type, message });
    }
    return errors ?? NO_ERRORS;
  }

  return { absent: absentOf(definition, place, check, warnings), warnings, check };
}

function absentOf(
  { name, required, defaultValue }: AttributeDefinition,
  place: string,
  check: CompiledDefinition['check'],
  warnings: string[],
): Absent | undefined {
  if (defaultValue === undefined || defaultValue === null) {
    if (required !== true) return undefined;
    const message = 'is required and the record has no value for it';
    return { errors: [{ attribute: name, rule: 'required', message }] };
  }
  const wrong = check(defaultValue);
  if (wrong.length === 0) return { value: defaultValue as AttributeValue };
  const reasons = wrong.map(({ message }) => message).join('; ');
  const message = `${place} has a default value that breaks its own rules: ${reasons}`;
  warnings.push(message);
  return { errors: [{ attribute: name, rule: 'default', message }] };
}

function typeCheck(
  definition: AttributeDefinition,
  place: string,
  warnings: string[],
): (value: unknown) => string | undefined {
  switch (definition.type) {
    case 'string':
      return (value) => (typeof value === 'string' ? wellFormed(value) : mustBe('a string', value));
    case 'number':
      return (value) => (Number.isFinite(value) ? undefined : mustBe('a finite number', value));
    case 'boolean':
      return (value) => (typeof value === 'boolean' ? undefined : mustBe('true or false', value));
    case 'date':
      return (value) =>
        typeof value === 'string' && isIsoDate(value) ? undefined : mustBe(ISO_DATE_RULE, value);
    default:
      // Remote systems grow types; what we do not know is passed on and said.
      warnings.push(
        `${place} has an unknown type; its values are only checked for being text, number or boolean`,
      );
      return (value) => {
        if (typeof value === 'string') return wellFormed(value);
        return typeof value === 'boolean' || Number.isFinite(value)
          ? undefined
          : mustBe('text, a number or a boolean', value);
      };
  }
}

function compileRule(
  rule: ValidationRule,
  definition: AttributeDefinition,
  place: string,
  warnings: string[],
): Rule | undefined {
  const { min, max } = rule;
  switch (rule.type) {
    case 'string':
    case 'number':
      if (rule.value !== undefined && rule.value !== null) {
        warnings.push(`${place} has a ${rule.type} rule with a value, which is not used`);
      }
      return rule.type === 'string'
        ? (value) =>
            typeof value === 'string' ? lengthProblem(value, min, max) : mustBe('a string', value)
        : (value) =>
            typeof value === 'number' ? sizeProblem(value, min, max) : mustBe('a number', value);
    case 'range':
      if (definition.type === 'boolean' || definition.type === 'date') {
        warnings.push(`${place} has a range rule, which says nothing about a ${definition.type}`);
        return undefined;
      }
      return (value) =>
        typeof value === 'number'
          ? sizeProblem(value, min, max)
          : lengthProblem(String(value), min, max);
    case 'regex':
      return compilePattern(rule, place, warnings);
    default:
      warnings.push(
        `${place} has a rule of the unknown type ${JSON.stringify(cutText(rule.type, 50))}, which is not checked; known are string, number, regex and range`,
      );
      return undefined;
  }
}

function compilePattern(rule: ValidationRule, place: string, warnings: string[]): Rule {
  let problem: string;
  try {
    if (typeof rule.value !== 'string') throw new Error('its value is not a text');
    const pattern = rule.value;
    const regex = compileLinearRegex(pattern);
    const test = remembering((text) => regex.test(text));
    const message = `does not match the pattern ${shorten(pattern, 200)}`;
    return (value) => (test(String(value)) ? undefined : message);
  } catch (error) {
    problem = `${place} has a regex rule that cannot be used: ${messageOf(error)}. Correct the definition in Genesys`;
  }
  warnings.push(problem);
  return () => problem;
}

/** Most attributes have few values: the verdicts of short ones are kept. */
function remembering(test: (text: string) => boolean): (text: string) => boolean {
  const verdicts = new Map<string, boolean>();
  return (text) => {
    const known = verdicts.get(text);
    if (known !== undefined) return known;
    const verdict = test(text);
    if (text.length <= 64 && verdicts.size < 1000) verdicts.set(text, verdict);
    return verdict;
  };
}

function lengthProblem(text: string, min?: number, max?: number): string | undefined {
  if ((max === undefined || text.length <= max) && (min === undefined || min <= 0)) return;
  const length = characters(text);
  if (min !== undefined && length < min) return `is shorter than ${min} characters`;
  if (max !== undefined && length > max) return `is longer than ${max} characters`;
  return undefined;
}

function sizeProblem(value: number, min?: number, max?: number): string | undefined {
  if (min !== undefined && value < min) return `is less than ${min}`;
  if (max !== undefined && value > max) return `is greater than ${max}`;
  return undefined;
}

/** Unicode characters, not UTF-16 units: an emoji counts as one. */
function characters(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length - 1; index += 1) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdbff) {
      count -= 1;
      index += 1;
    }
  }
  return count;
}

function wellFormed(text: string): string | undefined {
  return text.isWellFormed()
    ? undefined
    : 'is not well-formed Unicode: half of a character is missing';
}

function mustBe(what: string, value: unknown): string {
  return `must be ${what}, and is ${kindOf(value)}`;
}
