import type { Inheritance } from '../definitions/inheritance.ts';
import type { PermissionCheck } from '../definitions/permission-check.ts';
import type { AttributeUpdate, AttributeWriter } from '../ports.ts';
import type { MappedRecord, Mapping } from './mapping.ts';
import { createValidation, type FieldError, type RecordValidator } from './record-validator.ts';
import { createUnmappedFields, type UnmappedFields } from './unmapped-fields.ts';

export type ConvertedRecord =
  | {
      readonly ok: true;
      readonly update: AttributeUpdate;
      /** Its size in a write. */
      readonly bytes: number;
    }
  | { readonly ok: false; readonly id: string | undefined; readonly errors: readonly FieldError[] };

/** An attribute that records have and the organisation does not allow, and how many have it. */
export interface SkippedAttribute {
  readonly attribute: string;
  readonly records: number;
}

/** Turns the CRM records of one request into updates, under one version of all rules. */
export interface RecordConverter {
  readonly allowedAttributes: readonly string[];
  /** What is wrong with definitions or the organisation's tree, for the answer. */
  readonly warnings: readonly string[];
  readonly skippedAttributes: readonly SkippedAttribute[];
  /** Of the records so far; their names come from the caller and are not for the log. */
  readonly unmapped: Pick<UnmappedFields, 'all' | 'warnings'>;
  /** The organisation has neither definitions nor a parent: most likely its id is wrong. */
  readonly isUnknownOrganisation: boolean;
  /** A promise only if the mapping has expressions. Never throws. */
  convert(record: unknown): ConvertedRecord | Promise<ConvertedRecord>;
}

export interface RecordConverterOptions {
  readonly permissionCheck: PermissionCheck;
  readonly inheritance: Inheritance;
  /** A live file: an import keeps the version it began with. */
  readonly mapping: { readonly current: Mapping };
  readonly writer: Pick<AttributeWriter, 'bytesOf' | 'envelopeBytes'>;
  /** Of a whole write: an update that is too large for one alone can never be sent. */
  readonly maxBatchBytes: number;
}

const MAX_WARNINGS = 100;

export function createRecordConverters(options: RecordConverterOptions): {
  /** @throws UpstreamError when we may not write, or the definitions could not be read. */
  open(orgId: string, signal: AbortSignal): Promise<RecordConverter>;
} {
  const validation = createValidation();
  const { writer, maxBatchBytes } = options;

  return {
    async open(orgId, signal) {
      const resolving = options.inheritance.effective(orgId, signal);
      // Both are asked at once; a missing permission is the more useful answer of the two.
      resolving.catch(() => undefined);
      await options.permissionCheck.require('customattributes:write', signal);
      const effective = await resolving;
      const mapping = options.mapping.current;
      const validator = validation.validatorFor(effective, mapping.targets);
      return openConverter({
        mapping,
        validator,
        isUnknownOrganisation: effective.attributes.size === 0 && effective.levels.length === 1,
        allowedAttributes: [...effective.attributes.keys()].sort(),
        bytesOf: (update) => writer.bytesOf(update),
        maxUpdateBytes: maxBatchBytes - writer.envelopeBytes,
      });
    },
  };
}

function openConverter(facts: {
  mapping: Mapping;
  validator: RecordValidator;
  isUnknownOrganisation: boolean;
  allowedAttributes: readonly string[];
  bytesOf: (update: AttributeUpdate) => number;
  maxUpdateBytes: number;
}): RecordConverter {
  const { mapping, validator, bytesOf, maxUpdateBytes } = facts;
  const unmapped = createUnmappedFields(mapping);
  const skipped = new Map<string, number>();

  function check(mapped: MappedRecord): ConvertedRecord {
    const { id } = mapped;
    if (mapped.values.length === 0) return { ok: false, id, errors: mapped.errors };
    const validated = validator.validate(mapped.values);
    for (const name of validated.skipped) skipped.set(name, (skipped.get(name) ?? 0) + 1);
    if (id === undefined || mapped.errors.length > 0 || validated.errors.length > 0) {
      return { ok: false, id, errors: [...mapped.errors, ...validated.errors] };
    }
    const update = { id, attributes: validated.attributes };
    const bytes = bytesOf(update);
    if (bytes > maxUpdateBytes) {
      const message = `is larger than ${maxUpdateBytes} bytes, which one write can hold`;
      return { ok: false, id, errors: [{ attribute: 'record', rule: 'size', message }] };
    }
    return { ok: true, update, bytes };
  }

  return {
    allowedAttributes: facts.allowedAttributes,
    warnings: validator.warnings.slice(0, MAX_WARNINGS),
    get skippedAttributes() {
      return [...skipped].map(([attribute, records]) => ({ attribute, records }));
    },
    unmapped,
    isUnknownOrganisation: facts.isUnknownOrganisation,
    convert(record) {
      unmapped.look(record);
      const mapped = mapping.map(record);
      return mapped instanceof Promise ? mapped.then(check) : check(mapped);
    },
  };
}
