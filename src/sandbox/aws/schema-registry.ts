import type { CloudSchema } from '../cloud.ts';
import { AwsRefusal, type JsonObject } from './answers.ts';

interface StoredSchema {
  readonly type: CloudSchema['type'];
  /** Version → content, oldest first. */
  readonly versions: Map<string, { readonly content: string; readonly created: Date }>;
}

export interface SandboxSchemaRegistry {
  put(schema: CloudSchema): void;
  describe(registry: string, name: string, version: string | undefined): JsonObject;
  versions(registry: string, name: string): JsonObject;
}

/** The Schema Registry (REST). Registries come with their first schema. */
export function createSchemaRegistry(options: {
  readonly region: string;
  readonly account: string;
}): SandboxSchemaRegistry {
  const schemas = new Map<string, StoredSchema>();
  const keyOf = (registry: string, name: string) => JSON.stringify([registry, name]);
  const arnOf = (registry: string, name: string) =>
    `arn:aws:schemas:${options.region}:${options.account}:schema/${registry}/${name}`;

  function find(registry: string, name: string): StoredSchema {
    const found = schemas.get(keyOf(registry, name));
    if (found !== undefined) return found;
    const text = `Schema with name ${name} does not exist.`;
    throw new AwsRefusal('NotFoundException', text, { status: 404 });
  }

  return {
    put({ registry, name, type, content, version }) {
      const key = keyOf(registry, name);
      const stored = schemas.get(key) ?? { type, versions: new Map() };
      const number = version ?? String(Math.max(0, ...[...stored.versions.keys()].map(Number)) + 1);
      stored.versions.set(number, { content, created: new Date() });
      schemas.set(key, { ...stored, type });
    },

    describe(registry, name, version) {
      const { type, versions } = find(registry, name);
      const number = version ?? [...versions.keys()].at(-1) ?? '';
      const found = versions.get(number);
      if (found === undefined) {
        const text = `Schema version ${number} of ${name} does not exist.`;
        throw new AwsRefusal('NotFoundException', text, { status: 404 });
      }
      const created = found.created.toISOString();
      return {
        SchemaArn: arnOf(registry, name),
        SchemaName: name,
        SchemaVersion: number,
        Type: type,
        Content: found.content,
        LastModified: created,
        VersionCreatedDate: created,
      };
    },

    versions(registry, name) {
      const { type, versions } = find(registry, name);
      return {
        SchemaVersions: [...versions.keys()].map((number) => ({
          SchemaArn: arnOf(registry, name),
          SchemaName: name,
          SchemaVersion: number,
          Type: type,
        })),
      };
    },
  };
}
