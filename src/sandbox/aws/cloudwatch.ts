import type { CloudMetric } from '../cloud.ts';
import {
  type AwsOperation,
  AwsRefusal,
  isObject,
  type JsonObject,
  listOf,
  textOf,
} from './answers.ts';
import type { Recent } from './recent.ts';

const MAX_DATA = 1000;
const MAX_VALUES = 150;
const MAX_DIMENSIONS = 30;
const TWO_WEEKS_SECONDS = 14 * 86_400;
const TWO_HOURS_SECONDS = 2 * 3600;

/** CloudWatch, JSON 1.0 (`GraniteServiceVersion20100801.<operation>`). */
export function createCloudWatch(options: {
  readonly metrics: Recent<CloudMetric>;
  /** Epoch milliseconds. */
  readonly now: () => number;
}): Readonly<Record<string, AwsOperation>> {
  return {
    PutMetricData(input) {
      const namespace = textOf(input, 'Namespace') ?? '';
      if (namespace === '') {
        throw refuse('MissingParameter', 'The parameter Namespace is required.');
      }
      if (namespace.startsWith('AWS/')) {
        throw refuse('InvalidParameterValue', 'The value AWS/ for parameter Namespace is invalid.');
      }
      const data = listOf(input, 'MetricData');
      if (data.length > MAX_DATA) {
        throw refuse(
          'InvalidParameterValue',
          `The collection MetricData must not have a size greater than ${MAX_DATA}.`,
        );
      }
      // All or nothing.
      const receivedAt = options.now();
      const metrics = data.map((datum, index) =>
        readDatum(datum, index + 1, namespace, receivedAt),
      );
      for (const metric of metrics) options.metrics.push(metric);
      return {};
    },
  };
}

function readDatum(
  datum: JsonObject,
  position: number,
  namespace: string,
  receivedAt: number,
): CloudMetric {
  const name = textOf(datum, 'MetricName') ?? '';
  const unit = textOf(datum, 'Unit');
  if (name === '' || name.length > 255) {
    throw refuse('MissingParameter', 'The parameter MetricData.member.MetricName is required.');
  }
  if (listOf(datum, 'Dimensions').length > MAX_DIMENSIONS) {
    throw refuse('InvalidParameterValue', `At most ${MAX_DIMENSIONS} dimensions are allowed.`);
  }
  const { Timestamp } = datum;
  if (typeof Timestamp === 'number') {
    const age = receivedAt / 1000 - Timestamp;
    if (age > TWO_WEEKS_SECONDS || age < -TWO_HOURS_SECONDS) {
      throw refuse(
        'InvalidParameterValue',
        'The parameter MetricData.member.Timestamp must specify a time within the past two weeks.',
      );
    }
  }
  return {
    namespace,
    name,
    ...(unit === undefined ? {} : { unit }),
    receivedAt,
    ...values(datum, position),
  };
}

function values(datum: JsonObject, position: number): Pick<CloudMetric, 'values' | 'counts'> {
  const { Value, Values, Counts, StatisticValues } = datum;
  const given = Object.entries({ Value, Values, StatisticValues })
    .filter(([, member]) => member !== undefined)
    .map(([name]) => `MetricData.member.${position}.${name}`);
  if (given.length > 1) {
    throw refuse(
      'InvalidParameterCombination',
      `The parameters ${given.slice(0, 2).join(' and ')} are mutually exclusive and you have specified both.`,
    );
  }
  if (given.length === 0) {
    throw refuse(
      'MissingParameter',
      `The parameter MetricData.member.${position}.Value is required.`,
    );
  }
  if (isObject(StatisticValues)) {
    return {
      values: [number(StatisticValues['Sum'])],
      counts: [number(StatisticValues['SampleCount'])],
    };
  }
  if (Value !== undefined) return { values: [number(Value)], counts: [1] };
  if (!Array.isArray(Values) || Values.length === 0 || Values.length > MAX_VALUES) {
    throw refuse(
      'InvalidParameterValue',
      `The collection Values must have between 1 and ${MAX_VALUES} members.`,
    );
  }
  const counts = Array.isArray(Counts) ? Counts.map(number) : Values.map(() => 1);
  if (counts.length !== Values.length) {
    throw refuse(
      'InvalidParameterValue',
      `The parameters MetricData.member.${position}.Values and MetricData.member.${position}.Counts must be of the same size.`,
    );
  }
  return { values: Values.map(number), counts };
}

function number(value: unknown): number {
  // The SDK writes NaN and the infinities as text; AWS refuses them, as it does huge numbers.
  if (typeof value !== 'number' || Math.abs(value) >= 2 ** 360) {
    throw refuse('InvalidParameterValue', 'The value is not a number, or out of range.');
  }
  return value;
}

function refuse(code: string, message: string): AwsRefusal {
  const shape = code === 'MissingParameter' ? 'MissingRequiredParameter' : code;
  return new AwsRefusal(`${shape}Exception`, message, { queryCode: code });
}
