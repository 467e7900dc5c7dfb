import { ATTRIBUTE_NAME_RULE, isAttributeName } from './attribute-name.ts';
import { type CompiledDefinition, compileDefinition, type FieldError } from './definition-check.ts';
import type { EffectiveDefinitions } from './inheritance.ts';
import type { AttributeDefinition, AttributeValue } from './ports.ts';

export type { FieldError } from './definition-check.ts';

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
  /** Problems of the definitions themselves, for people: unknown rule types, broken patterns. */
  readonly warnings: readonly string[];
  validate(values: ReadonlyMap<string, unknown>): Validated;
}

export interface Validation {
  /**
   * @param targets the attributes that the mapping feeds. A missing value takes the definition's
   *   default if the mapping feeds the attribute or the definition requires it; all other
   *   attributes are left alone, because updates are partial and somebody else may own them.
   */
  validatorFor(effective: EffectiveDefinitions, targets: ReadonlySet<string>): RecordValidator;
}

const NOTHING: readonly never[] = [];

export function createValidation(): Validation {
  // A definition is one object as long as it is cached, so each pattern is compiled once.
  const compiled = new WeakMap<AttributeDefinition, CompiledDefinition>();
  const validators = new WeakMap<
    EffectiveDefinitions,
    { targets: ReadonlySet<string>; validator: RecordValidator }
  >();

  function compile(effective: EffectiveDefinitions, targets: ReadonlySet<string>): RecordValidator {
    const all = new Map<string, CompiledDefinition>();
    const absents: [string, NonNullable<CompiledDefinition['absent']>][] = [];
    const warnings: string[] = [...effective.warnings];
    for (const [name, { definition, origin }] of effective.attributes) {
      if (!isAttributeName(name)) {
        warnings.push(
          `Organisation ${origin} defines an attribute whose name cannot be written: allowed is ${ATTRIBUTE_NAME_RULE}`,
        );
        continue;
      }
      let check = compiled.get(definition);
      if (check === undefined) {
        check = compileDefinition(definition, origin);
        compiled.set(definition, check);
      }
      all.set(name, check);
      if (targets.has(name) || check.required) {
        warnings.push(...check.warnings);
        if (check.absent !== undefined) absents.push([name, check.absent]);
      }
    }

    return {
      warnings,
      validate(values) {
        const attributes = new Map<string, AttributeValue>();
        let errors: FieldError[] | undefined;
        let skipped: string[] | undefined;
        for (const [name, value] of values) {
          const check = all.get(name);
          if (check === undefined) {
            skipped ??= [];
            skipped.push(name);
            continue;
          }
          const found = check.check(value);
          if (found.length === 0) {
            attributes.set(name, value as AttributeValue);
          } else {
            errors ??= [];
            errors.push(...found);
          }
        }
        for (const [name, absent] of absents) {
          if (values.has(name)) continue;
          if ('value' in absent) {
            attributes.set(name, absent.value);
          } else {
            errors ??= [];
            errors.push(...absent.errors);
          }
        }
        if (attributes.size === 0 && errors === undefined) {
          errors = [
            {
              attribute: 'record',
              rule: 'empty',
              message: 'has no value for any attribute that is allowed for the organisation',
            },
          ];
        }
        return { attributes, errors: errors ?? NOTHING, skipped: skipped ?? NOTHING };
      },
    };
  }

  return {
    validatorFor(effective, targets) {
      const known = validators.get(effective);
      if (known !== undefined && known.targets === targets) return known.validator;
      const validator = compile(effective, targets);
      validators.set(effective, { targets, validator });
      return validator;
    },
  };
}
