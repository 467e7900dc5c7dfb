import { type MetricDatum, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { conforms, type Engine, outcomeOf } from './support/conforms.ts';

const good: MetricDatum = { MetricName: 'Published', Unit: 'Count', Value: 1 };
const put = (data: readonly MetricDatum[], Namespace = 'Conformance') =>
  async function ask({ cloudWatch }: Engine) {
    const command = new PutMetricDataCommand({ Namespace, MetricData: [...data] });
    return outcomeOf(cloudWatch.send(command));
  };
const values = (length: number) => Array.from({ length }, (_, n) => n);
const histogram = (length: number): MetricDatum => ({
  MetricName: 'Latency',
  Values: values(length),
  Counts: values(length).map(() => 2),
});

conforms<unknown>('CloudWatch', ['sandbox', 'moto'], {
  'takes a value': { ask: put([good]), aws: 'taken' },
  'takes 150 values with their counts': { ask: put([histogram(150)]), aws: 'taken' },
  'takes a body that the client zipped': {
    // Beyond 10 KiB.
    ask: put(Array.from({ length: 20 }, () => histogram(150))),
    aws: 'taken',
  },
  'refuses 151 values': {
    ask: put([histogram(151)]),
    aws: 'InvalidParameterValueException',
    wrong: { moto: 'taken' },
  },
  'refuses values and counts of two lengths': {
    ask: put([{ MetricName: 'Latency', Values: [1, 2], Counts: [1] }]),
    aws: 'InvalidParameterValueException',
  },
  'refuses a value and values': {
    ask: put([{ ...good, Values: [1] }]),
    aws: 'InvalidParameterCombinationException',
    wrong: { moto: 'InvalidParameterValueException' },
  },
  'refuses a datum without a value': {
    ask: put([{ MetricName: 'Published' }]),
    aws: 'MissingRequiredParameterException',
    wrong: { moto: 'taken' },
  },
  'refuses what is no number': {
    ask: put([{ ...good, Value: Number.NaN }]),
    aws: 'InvalidParameterValueException',
  },
  "refuses AWS' own namespaces": {
    ask: put([good], 'AWS/SQS'),
    aws: 'InvalidParameterValueException',
    wrong: { moto: 'taken' },
  },
  'refuses more than 1,000 metrics': {
    ask: put(Array.from({ length: 1001 }, () => good)),
    aws: 'InvalidParameterValueException',
    wrong: { moto: 'taken' },
  },
  'refuses a time three weeks ago': {
    ask: (engine) => put([{ ...good, Timestamp: new Date(Date.now() - 21 * 86_400_000) }])(engine),
    aws: 'InvalidParameterValueException',
    wrong: { moto: 'taken' },
  },
});
