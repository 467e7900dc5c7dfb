import { parseJson } from '../../lib/files/config-file.ts';
import type { RegisteredSchema } from '../ports.ts';
import { compileEventSchema, type EventSchema, type SchemaMode } from './event-schema.ts';
import { compileRegisteredSchema } from './registered-schema.ts';

/** A schema as text, from which it can be compiled again elsewhere. */
export type SchemaDefinition =
  | { readonly kind: 'file'; readonly text: string }
  | {
      readonly kind: 'registered';
      readonly schema: RegisteredSchema;
      readonly component: string | undefined;
    };

export interface LoadedSchema extends EventSchema {
  readonly version: string;
  readonly definition: SchemaDefinition;
}

/** Where the schema comes from; `current` is `undefined` until it was loaded for the first time. */
export interface EventSchemaSource {
  readonly mode: SchemaMode;
  readonly current: LoadedSchema | undefined;
  /** Looks for a new version now. A failure is logged and shows in `lastError`. */
  reload(): Promise<void>;
  /** Why the last look failed; the last good version is in use meanwhile. */
  readonly lastError: Error | undefined;
  stop(): Promise<void>;
}

/** @throws ConfigError when the schema is none, with its JSON position where there is one. */
export function compileSchemaDefinition(
  definition: SchemaDefinition,
  version: string,
): LoadedSchema {
  const schema =
    definition.kind === 'file'
      ? compileEventSchema(parseJson(definition.text, 'invalid_schema'))
      : compileRegisteredSchema(definition.schema, definition.component);
  return { issues: (transformed) => schema.issues(transformed), version, definition };
}

/** Nothing is validated. */
export function noSchema(): EventSchemaSource {
  const stop = async () => undefined;
  return { mode: 'off', current: undefined, lastError: undefined, reload: stop, stop };
}
