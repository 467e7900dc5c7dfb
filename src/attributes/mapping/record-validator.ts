import { shorten } from '../../lib/cut-text.ts';
import { longNumber } from '../../lib/json/exact-json.ts';
import { ATTRIBUTE_NAME_RULE, isAttributeName } from '../definitions/attribute-name.ts';
import {
  type CompiledDefinition,
  compileDefinition,
  type FieldError,
} from '../definitions/definition-check.ts';
import type { EffectiveDefinition, EffectiveDefinitions } from '../definitions/inheritance.ts';
import type { AttributeDefinition, AttributeValue } from '../ports.ts';

export type { FieldError } from '../definitions/definition-check.ts';

export interface Validated {
  /** What may be written: allowed attributes with valid values, defaults filled in. */
  readonly attributes: ReadonlyMap<string, AttributeValue>;
  /** Everything that is wrong with the record; empty when it may be written. */
  readonly errors: readonly FieldError[];
  /** Attributes that the record has and the organisation does not allow. */
  readonly skipped: readonly string[];
}

/** Checks records of one organisation before anything is sent. */
export interface RecordValidator {
  /** Problems of the definitions themselves, for the answer: unknown rule types, broken patterns. */
  readonly warnings: readonly string[];
  /** @param values one for each target, in their order; `undefined` where there is none. */
  validate(values: readonly unknown[]): Validated;
}

export interface Validation {
  /**
   * @param targets the attributes that the mapping feeds. A missing value takes the definition's
   *   default if the mapping feeds the attribute or the definition requires it; all other
   *   attributes are left alone, because updates are partial and somebody else may own them.
   */
  validatorFor(effective: EffectiveDefinitions, targets: readonly string[]): RecordValidator;
}

const NOTHING: readonly never[] = [];

export function createValidation(): Validation {
  // A definition is one object as long as it is cached, so each pattern is compiled once.
  const compiled = new WeakMap<AttributeDefinition, CompiledDefinition>();
  const validators = new WeakMap<
    EffectiveDefinitions,
    { targets: readonly string[]; validator: RecordValidator }
  >();

  function compile({ definition, origin }: EffectiveDefinition): CompiledDefinition {
    let check = compiled.get(definition);
    if (check === undefined) {
      check = compileDefinition(definition, origin);
      compiled.set(definition, check);
    }
    return check;
  }

  return {
    validatorFor(effective, targets) {
      const known = validators.get(effective);
      if (known !== undefined && known.targets === targets) return known.validator;
      const validator = openValidator(effective, targets, compile);
      validators.set(effective, { targets, validator });
      return validator;
    },
  };
}

function openValidator(
  effective: EffectiveDefinitions,
  targets: readonly string[],
  compile: (definition: EffectiveDefinition) => CompiledDefinition,
): RecordValidator {
  const warnings: string[] = [...effective.warnings];
  const checks = new Map<string, CompiledDefinition>();
  for (const [name, found] of effective.attributes) {
    if (!targets.includes(name) && found.definition.required !== true) continue;
    if (!isAttributeName(name)) {
      warnings.push(
        `Organisation ${found.origin} requires an attribute whose name cannot be written: allowed is ${ATTRIBUTE_NAME_RULE}`,
      );
      continue;
    }
    const check = compile(found);
    warnings.push(...check.warnings);
    checks.set(name, check);
  }
  // The mapping's targets first, as its values are; then what is required beyond them.
  const names = [...new Set([...targets, ...checks.keys()])];
  const plan = names.map((name) => ({ name, check: checks.get(name) }));

  return {
    warnings,
    validate(values) {
      const attributes = new Map<string, AttributeValue>();
      let errors: FieldError[] | undefined;
      let skipped: string[] | undefined;
      for (let index = 0; index < plan.length; index += 1) {
        const { name, check } = plan[index] as (typeof plan)[number];
        const value = values[index];
        if (check === undefined) {
          if (value !== undefined) (skipped ??= []).push(name);
        } else if (value !== undefined) {
          const digits = longNumber(value);
          const found = digits === undefined ? check.check(value) : [inexact(name, digits)];
          if (found.length === 0) attributes.set(name, value as AttributeValue);
          else (errors ??= []).push(...found);
        } else if (check.absent !== undefined) {
          if ('value' in check.absent) attributes.set(name, check.absent.value);
          else (errors ??= []).push(...check.absent.errors);
        }
      }
      if (attributes.size === 0 && errors === undefined) errors = EMPTY;
      return { attributes, errors: errors ?? NOTHING, skipped: skipped ?? NOTHING };
    },
  };
}

const EMPTY: FieldError[] = [
  {
    attribute: 'record',
    rule: 'empty',
    message: 'has no value for any attribute that is allowed for the organisation',
  },
];

const MAX_DIGITS_SHOWN = 40;

function inexact(attribute: string, digits: string): FieldError {
  const message = `has the number ${shorten(digits, MAX_DIGITS_SHOWN)}, which cannot be held exactly and would be altered: send it as text to an attribute of text, or give its mapping "coerce": "string"`;
  return { attribute, rule: 'exactNumber', message };
}
