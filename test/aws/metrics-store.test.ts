import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMetricsStore } from '../../src/aws/cloudwatch.ts';
import type { MetricDatum } from '../../src/events/ports.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from './aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let store: ReturnType<typeof createMetricsStore>;
beforeEach(async () => {
  sandbox = await startAws();
  store = createMetricsStore(wayTo(sandbox.url));
});
afterEach(async () => {
  store.close();
  await sandbox.close();
});

function datum(changes: Partial<MetricDatum> = {}): MetricDatum {
  return {
    name: 'EventsPublished',
    unit: 'Count',
    timestamp: new Date(),
    values: [12],
    counts: [1],
    ...changes,
  };
}

const puts = () => sandbox.requests.count('aws.cloudwatch.PutMetricData');

test('all metrics of an interval go in one request, under the namespace of the contract', async () => {
  await store.put([
    datum(),
    datum({ name: 'ProcessingLatency', unit: 'Milliseconds', values: [1.5, 20], counts: [40, 2] }),
  ]);
  expect(puts()).toBe(1);
  expect(sandbox.aws.metrics).toMatchObject([
    { namespace: 'GenesysEventPipeline', name: 'EventsPublished', unit: 'Count', values: [12] },
    { name: 'ProcessingLatency', unit: 'Milliseconds', values: [1.5, 20], counts: [40, 2] },
  ]);
});

test('more than 150 values are several data of one request, gzipped or not', async () => {
  const values = Array.from({ length: 1000 }, (_, index) => index + 0.123_456_789);
  await store.put([datum({ values, counts: values.map((_, index) => index + 1) })]);
  expect(puts()).toBe(1);
  expect(sandbox.aws.metrics.map((metric) => metric.values.length)).toEqual([
    150, 150, 150, 150, 150, 150, 100,
  ]);
  expect(sandbox.aws.metrics.flatMap((metric) => metric.values)).toEqual(values);
  expect(sandbox.aws.metrics.at(-1)?.counts.at(-1)).toBe(1000);
});

test('more than a request may hold goes in several', async () => {
  await store.put(Array.from({ length: 1001 }, () => datum()));
  expect(puts()).toBe(2);
  expect(sandbox.aws.metrics).toHaveLength(1001);
});

test('what is no number does not spoil the rest', async () => {
  await store.put([
    datum({ values: [Number.NaN, 3, Number.POSITIVE_INFINITY], counts: [1, 2, 3] }),
    datum({ values: [], counts: [] }),
  ]);
  expect(sandbox.aws.metrics).toMatchObject([{ values: [3], counts: [2] }]);
});

test('nothing to say is not said', async () => {
  await store.put([]);
  expect(puts()).toBe(0);
});

test('a passing failure is repeated by the SDK, a lasting one is told', async () => {
  sandbox.faults.add({ target: 'aws.cloudwatch', status: 500, times: 1 });
  await store.put([datum()]);
  expect(puts()).toBe(2);

  sandbox.faults.add({ target: 'aws.cloudwatch', status: 403, code: 'AccessDenied' });
  await expect(store.put([datum()])).rejects.toMatchObject({
    code: 'cloudwatch_access_denied',
    kind: 'systemic',
  });
});
