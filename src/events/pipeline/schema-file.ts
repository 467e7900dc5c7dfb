import { openConfigFile } from '../../lib/files/config-file.ts';
import type { DependencyReporter } from '../../lib/health/health.ts';
import type { Logger } from '../../lib/logger.ts';
import type { SchemaMode } from './event-schema.ts';
import { runSchemaExamples } from './pipeline-examples.ts';
import { compileSchemaDefinition, type EventSchemaSource } from './schema-source.ts';

export interface SchemaFileOptions {
  readonly path: string;
  readonly mode: SchemaMode;
  readonly log: Logger;
  /** Of the schema in use. */
  readonly reporter?: DependencyReporter | undefined;
  /** Of the file: also learns of a broken edit, while the schema in use stays. */
  readonly fileReporter?: DependencyReporter | undefined;
  /** Edits are taken over only when the examples beside the file hold. */
  readonly holdToExamples?: boolean | undefined;
  readonly pollMs?: number | undefined;
}

/** A schema in a file that may be edited while the service runs. @throws when it is unusable now. */
export async function openSchemaFile(options: SchemaFileOptions): Promise<EventSchemaSource> {
  const file = await openConfigFile(
    {
      path: options.path,
      setting: 'EVENT_SCHEMA_FILE',
      code: 'invalid_schema',
      log: options.log,
      reporter: options.fileReporter,
      pollMs: options.pollMs,
      parse: (text, version) => compileSchemaDefinition({ kind: 'file', text }, version),
      onChange: (schema) => options.reporter?.up(`file, version ${schema.version}`),
    },
    options.holdToExamples ? runSchemaExamples : undefined,
  );
  options.reporter?.up(`file, version ${file.version}`);
  return {
    mode: options.mode,
    get current() {
      return file.current;
    },
    get lastError() {
      return file.lastError;
    },
    async reload() {
      await file.reload();
    },
    async stop() {
      file.stop();
    },
  };
}
