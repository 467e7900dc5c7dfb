import { UpstreamError } from '../errors.ts';
import type { RegisteredSchema, SchemaRegistry } from '../events/ports.ts';
import { type AwsConnectionOptions, createConnection } from './sdk/connection.ts';

/**
 * The Schema Registry of EventBridge. The SDK makes its standard three tries per call; nobody
 * above repeats at once. Its client is loaded by the first call: few deployments use it.
 */
export function createSchemaRegistry(
  options: AwsConnectionOptions,
): SchemaRegistry & { close(): void } {
  const connection = createConnection({ ...options, maxAttempts: 3 });
  let loading: ReturnType<typeof load> | undefined;

  async function load() {
    const { SchemasClient, DescribeSchemaCommand } = await import('@aws-sdk/client-schemas');
    return { client: new SchemasClient(connection.clientOptions), DescribeSchemaCommand };
  }

  return {
    async describe({ registry, name, version }, signal) {
      const target = `schema "${name}" of registry "${registry}"`;
      const call = { service: 'schemas', operation: 'DescribeSchema', target } as const;
      const { client, DescribeSchemaCommand } = await (loading ??= load());
      const command = new DescribeSchemaCommand({
        RegistryName: registry,
        SchemaName: name,
        SchemaVersion: version,
      });
      const answer = await connection.call(call, signal, (http) => client.send(command, http));
      const { Content, Type, SchemaVersion } = answer;
      if (Content === undefined || SchemaVersion === undefined || !isSchemaType(Type)) {
        throw new UpstreamError(
          `The Schema Registry has ${target} as "${Type ?? 'nothing'}"; JSONSchemaDraft4 and OpenApi3 can be used`,
          {
            service: 'schemas',
            code: 'schemas_unusable_schema',
            kind: 'systemic',
            correlationId: answer.$metadata.requestId,
          },
        );
      }
      return { content: Content, type: Type, version: SchemaVersion };
    },

    // A client has nothing of its own to close.
    close: () => connection.close(),
  };
}

function isSchemaType(type: string | undefined): type is RegisteredSchema['type'] {
  return type === 'JSONSchemaDraft4' || type === 'OpenApi3';
}
