import type { MetricDatum, MetricsStore } from '../events/ports.ts';
import { splitIntoBatches } from '../lib/batches.ts';
import { type AwsConnectionOptions, createConnection } from './sdk/connection.ts';

const NAMESPACE = 'GenesysEventPipeline';

/** PutMetricData's limits. */
const MAX_DATA = 1000;
const MAX_VALUES = 150;
const MAX_BYTES = 1_000_000;

/**
 * CloudWatch. The SDK makes its standard three tries per call; what failed is merged into the next
 * interval by the caller. Its client is loaded by the first call.
 */
export function createMetricsStore(
  options: AwsConnectionOptions,
): MetricsStore & { close(): void } {
  const connection = createConnection({ ...options, maxAttempts: 3 });
  let loading: ReturnType<typeof load> | undefined;

  async function load() {
    const { CloudWatchClient, PutMetricDataCommand } = await import('@aws-sdk/client-cloudwatch');
    return { client: new CloudWatchClient(connection.clientOptions), PutMetricDataCommand };
  }

  return {
    /**
     * One request for some thousand values; only more than that needs several, and then a failure
     * may leave the first ones stored.
     */
    async put(data, signal) {
      const target = `namespace "${NAMESPACE}"`;
      const call = { service: 'cloudwatch', operation: 'PutMetricData', target } as const;
      const { client, PutMetricDataCommand } = await (loading ??= load());
      const requests = splitIntoBatches(data.flatMap(toMetricData), {
        maxItems: MAX_DATA,
        maxBytes: MAX_BYTES,
        bytesOf: ({ MetricName, Values }) => 200 + 3 * MetricName.length + 48 * Values.length,
      });
      for (const MetricData of requests) {
        const command = new PutMetricDataCommand({ Namespace: NAMESPACE, MetricData });
        await connection.call(call, signal, (http) => client.send(command, http));
      }
    },

    close: () => connection.close(),
  };
}

/** As many data as the values need. One value that is no number would have all refused. */
function toMetricData({ name, unit, timestamp, values, counts }: MetricDatum) {
  const usable = values
    .map((value, index) => ({ value, count: counts[index] ?? 1 }))
    .filter(({ value, count }) => Number.isFinite(value) && Number.isFinite(count) && count > 0);
  const limits = { maxItems: MAX_VALUES, maxBytes: Infinity, bytesOf: () => 0 };
  return splitIntoBatches(usable, limits).map((pairs) => ({
    MetricName: name,
    Unit: unit,
    Timestamp: timestamp,
    Values: pairs.map(({ value }) => value),
    Counts: pairs.map(({ count }) => count),
  }));
}
