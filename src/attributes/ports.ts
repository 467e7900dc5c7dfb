/**
 * What this domain asks of the contact centre, in its own words; `genesys/` implements it.
 *
 * Glossary: an *attribute definition* says what values a custom interaction attribute may have;
 * an *organisation unit* inherits the definitions of its ancestors; an *update* sets attributes
 * of one entity (a CRM record's counterpart), an *outcome* is what became of one update.
 *
 * Every call takes an AbortSignal, waits its turn in the shared token bucket, repeats what is safe
 * to repeat, and throws an UpstreamError when it failed for good.
 */

import type { UpstreamError } from '../errors.ts';

export type AttributeType = 'string' | 'number' | 'boolean' | 'date';

/** `string`, `number` and `range` use `min`/`max` (length or value), `regex` uses `value`. */
export interface ValidationRule {
  /** One of string, number, regex, range; remote systems may send others. */
  readonly type: string;
  readonly value?: unknown;
  readonly min?: number | undefined;
  readonly max?: number | undefined;
}

export interface AttributeDefinition {
  readonly id?: string | undefined;
  readonly name: string;
  readonly type: AttributeType;
  readonly description?: string | undefined;
  readonly required?: boolean | undefined;
  readonly defaultValue?: unknown;
  readonly validationRules: readonly ValidationRule[];
}

export interface AttributeDefinitions {
  /** All definitions that the unit itself has (not its ancestors'), to the last page. */
  ofUnit(orgId: string, signal?: AbortSignal): Promise<readonly AttributeDefinition[]>;
  define(definition: AttributeDefinition, signal?: AbortSignal): Promise<'created' | 'existed'>;
}

export interface OrganisationUnits {
  /** The unit's parent; `undefined` at the top of the tree, which includes an unknown unit. */
  parentOf(orgId: string, signal?: AbortSignal): Promise<string | undefined>;
}

export type Permission = 'customattributes:write' | 'analytics:read';

export interface Permissions {
  /** The ids of everything that our credentials may do. */
  effective(signal?: AbortSignal): Promise<ReadonlySet<string>>;
  /** The error for one that they lack: it names the permission and says who can grant it. */
  missing(permission: Permission): UpstreamError;
}

export type AttributeValue = string | number | boolean;

export interface AttributeUpdate {
  readonly id: string;
  readonly attributes: ReadonlyMap<string, AttributeValue>;
}

export type UpdateOutcome =
  | { readonly id: string; readonly written: true }
  | {
      readonly id: string;
      readonly written: false;
      readonly code: string;
      readonly message: string;
      readonly status?: number | undefined;
    };

export interface UpsertAnswer {
  /** One for each update, in their order. */
  readonly outcomes: readonly UpdateOutcome[];
  /** Time of the try that succeeded, in milliseconds. */
  readonly latencyMs: number;
  /** How many tries were answered 429. */
  readonly throttled: number;
}

export interface AttributeWriter {
  /** How many updates one call takes at most. */
  readonly maxUpdates: number;
  /** What a write has around its updates, in bytes. */
  readonly envelopeBytes: number;
  /** What an update takes in a write, its separator included, in bytes. */
  bytesOf(update: AttributeUpdate): number;
  /**
   * Creates or updates up to `maxUpdates` entities in one call. Repeating it is harmless, so it is
   * repeated after a lost answer. Throws an UpstreamError of kind `reject` when the batch as a
   * whole was refused (400, 413, 422): the caller may split it.
   */
  upsert(updates: readonly AttributeUpdate[], signal?: AbortSignal): Promise<UpsertAnswer>;
}

export interface Conversation {
  readonly conversationId?: string | undefined;
  readonly customAttributes?: Readonly<Record<string, unknown>> | undefined;
}

export interface Conversations {
  /**
   * The conversations of a period, page by page. Throws when the pages never end, repeat a
   * token, or are not pages.
   */
  pages(
    period: { readonly from: Date; readonly to: Date },
    signal?: AbortSignal,
  ): AsyncIterable<readonly Conversation[]>;
}

/**
 * What the contact centre is known to have, as one hash per entity: by its id alone, because
 * whatever organisation a record comes in for, there is one entity of that id.
 *
 * It must never be wrong, only incomplete: a fingerprint is removed (and the removal is kept)
 * before a write of its entity is attempted, and stored after the write was confirmed, unless
 * another import wrote the same entity meanwhile: then nobody knows which came last.
 */
export interface Fingerprints {
  /**
   * An import begins. It must not write one entity twice at the same time.
   *
   * @param isWriting whether it is writing this entity at the moment.
   */
  open(isWriting: (id: string) => boolean): FingerprintsOfImport;
  close(): void;
}

export interface FingerprintsOfImport {
  /**
   * Those that are exactly what was written last, and was confirmed; of different entities.
   *
   * @throws BridgeError `fingerprints_unavailable` where nothing can be written either.
   */
  unchanged(updates: readonly AttributeUpdate[]): Promise<ReadonlySet<AttributeUpdate>>;
  /**
   * Writes of these entities are about to be attempted; if it throws, they must not be.
   *
   * @throws BridgeError `fingerprints_unavailable`.
   */
  announce(updates: readonly AttributeUpdate[]): Promise<SettleAnnounced>;
  close(): void;
}

/**
 * What was announced came to its end, whatever it was.
 *
 * @param confirmed the updates to remember: those that were certainly written, or none.
 * @throws BridgeError `fingerprints_unavailable` when they cannot be remembered.
 */
export type SettleAnnounced = (confirmed: readonly AttributeUpdate[]) => Promise<void>;
