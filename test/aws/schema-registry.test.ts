import { afterEach, beforeEach, expect, test } from 'vitest';
import { createSchemaRegistry } from '../../src/aws/schema-registry.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from './aws-sandbox.ts';

useTestCredentials();

const schema = { registry: 'interaction events', name: 'genesys.cloud@Interaction/Event' };
let sandbox: RunningAws;
let registry: ReturnType<typeof createSchemaRegistry>;
beforeEach(async () => {
  sandbox = await startAws();
  registry = createSchemaRegistry(wayTo(sandbox.url));
  sandbox.aws.putSchema({ ...schema, type: 'JSONSchemaDraft4', content: '{"v":1}' });
  sandbox.aws.putSchema({ ...schema, type: 'JSONSchemaDraft4', content: '{"v":2}' });
});
afterEach(async () => {
  registry.close();
  await sandbox.close();
});

test('the latest version, or the one that is asked for', async () => {
  expect(await registry.describe(schema)).toEqual({
    content: '{"v":2}',
    type: 'JSONSchemaDraft4',
    version: '2',
  });
  expect(await registry.describe({ ...schema, version: '1' })).toMatchObject({ version: '1' });
});

test('a schema that is not there is systemic and named', async () => {
  await expect(registry.describe({ ...schema, name: 'other' })).rejects.toMatchObject({
    code: 'schemas_schema_missing',
    kind: 'systemic',
  });
  await expect(registry.describe({ ...schema, version: '9' })).rejects.toThrow(
    'schema "genesys.cloud@Interaction/Event" of registry "interaction events"',
  );
});

test.each([
  ['{"Content":"x","SchemaVersion":"1","Type":"Avro"}'],
  ['{"SchemaVersion":"1","Type":"OpenApi3"}'],
])('an answer that is of no use: %s', async (body) => {
  sandbox.faults.add({ target: 'aws.schemas', body });
  await expect(registry.describe(schema)).rejects.toMatchObject({
    code: 'schemas_unusable_schema',
    kind: 'systemic',
  });
});

test('a registry that is away is asked three times', async () => {
  sandbox.faults.add({ target: 'aws.schemas', status: 503 });
  await expect(registry.describe(schema)).rejects.toMatchObject({
    code: 'schemas_unavailable',
    kind: 'retry',
    tries: 3,
  });
  expect(sandbox.requests.count('aws.schemas.DescribeSchema')).toBe(3);
});
