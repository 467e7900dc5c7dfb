import { cutText } from '../../lib/cut-text.ts';
import { nearestName } from '../../lib/nearest-name.ts';
import type { Mapping } from './mapping.ts';

/** A field of records that no mapping reads: mistyped, or not meant for us. */
export interface UnmappedField {
  readonly field: string;
  /** The field that is read and is called nearly so. */
  readonly nearest?: string;
}

/** Remembers, over the records of one request, which of their fields nobody reads. */
export interface UnmappedFields {
  look(record: unknown): void;
  readonly all: readonly UnmappedField[];
  /** The same as a sentence. */
  readonly warnings: readonly string[];
}

const MAX_FIELDS = 100;
const MAX_SHOWN = 100;

export function createUnmappedFields({ reads }: Pick<Mapping, 'reads'>): UnmappedFields {
  const found = new Set<string>();
  let hasMore = false;

  function note(name: string): void {
    if (found.size < MAX_FIELDS) found.add(cutText(name, MAX_SHOWN));
    else if (!found.has(cutText(name, MAX_SHOWN))) hasMore = true;
  }

  function all(): UnmappedField[] {
    return Array.from(found, (field) => {
      const nearest = nearestName(field, reads ?? []);
      return nearest === undefined ? { field } : { field, nearest };
    });
  }

  return {
    look(record) {
      if (reads === undefined || typeof record !== 'object' || record === null) return;
      if (Array.isArray(record)) return;
      // Records are JSON: all that can be enumerated is their own.
      for (const name in record) if (!reads.has(name)) note(name);
    },
    get all() {
      return all();
    },
    get warnings() {
      const warnings = all().map(
        ({ field, nearest }) =>
          `No mapping reads the field ${JSON.stringify(field)}${nearest === undefined ? '' : `; is ${JSON.stringify(nearest)} meant?`}`,
      );
      if (hasMore) warnings.push(`No mapping reads more fields than these ${MAX_FIELDS}, either`);
      return warnings;
    },
  };
}
