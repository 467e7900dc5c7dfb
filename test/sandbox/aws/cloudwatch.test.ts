import {
  CloudWatchClient,
  type MetricDatum,
  PutMetricDataCommand,
} from '@aws-sdk/client-cloudwatch';
import { ListSchemaVersionsCommand, SchemasClient } from '@aws-sdk/client-schemas';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type RunningAws, startAws, useTestCredentials } from '../../aws/aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let client: CloudWatchClient;
beforeEach(async () => {
  sandbox = await startAws();
  client = new CloudWatchClient({ region: 'us-east-1', endpoint: sandbox.url, maxAttempts: 1 });
});
afterEach(async () => {
  client.destroy();
  await sandbox.close();
});

const put = (MetricData: MetricDatum[], Namespace = 'Test') =>
  client.send(new PutMetricDataCommand({ Namespace, MetricData }));

test.each<[string, MetricDatum[], string?]>([
  ["AWS' own namespace", [{ MetricName: 'm', Value: 1 }], 'AWS/Test'],
  ['151 values', [{ MetricName: 'm', Values: Array.from({ length: 151 }, (_, n) => n) }]],
  ['fewer counts than values', [{ MetricName: 'm', Values: [1, 2], Counts: [1] }]],
  ['no values', [{ MetricName: 'm' }]],
  ['value and values', [{ MetricName: 'm', Value: 1, Values: [1] }]],
  ['no name', [{ MetricName: '', Value: 1 }]],
  ['not a number', [{ MetricName: 'm', Value: Number.NaN }]],
  ['too large a number', [{ MetricName: 'm', Value: 2 ** 361 }]],
  ['a time too long ago', [{ MetricName: 'm', Value: 1, Timestamp: new Date(0) }]],
  ['1001 metrics', Array.from({ length: 1001 }, () => ({ MetricName: 'm', Value: 1 }))],
])('%s is refused, with all that came with it', async (_name, data, namespace) => {
  const all = [{ MetricName: 'good', Value: 1 }, ...data];
  await expect(put(all, namespace)).rejects.toMatchObject({ $metadata: { httpStatusCode: 400 } });
  expect(sandbox.aws.metrics).toEqual([]);
});

test('plain values, value sets and statistics are taken', async () => {
  await put([
    { MetricName: 'plain', Value: 3, Unit: 'Count' },
    { MetricName: 'set', Values: [1, 2], Counts: [5, 6], Timestamp: new Date() },
    {
      MetricName: 'statistics',
      StatisticValues: { SampleCount: 2, Sum: 9, Minimum: 4, Maximum: 5 },
    },
  ]);
  expect(sandbox.aws.metrics).toMatchObject([
    { namespace: 'Test', name: 'plain', unit: 'Count', values: [3], counts: [1] },
    { name: 'set', values: [1, 2], counts: [5, 6] },
    { name: 'statistics', values: [9], counts: [2] },
  ]);
});

test('an operation that is not imitated is named', async () => {
  const answer = await fetch(sandbox.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'GraniteServiceVersion20100801.ListDashboards' },
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ __type: 'UnknownOperationException' });
});

test('the versions of a schema are listed', async () => {
  const schema = { registry: 'r', name: 'a@b', type: 'OpenApi3', content: '{}' } as const;
  sandbox.aws.putSchema(schema);
  sandbox.aws.putSchema(schema);
  const schemas = new SchemasClient({ region: 'us-east-1', endpoint: sandbox.url });
  const answer = await schemas.send(
    new ListSchemaVersionsCommand({ RegistryName: 'r', SchemaName: 'a@b' }),
  );
  expect(answer.SchemaVersions?.map(({ SchemaVersion }) => SchemaVersion)).toEqual(['1', '2']);
  schemas.destroy();
});
