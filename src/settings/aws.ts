import { address, certificates, flag, group, integer, text, unset } from './kinds.ts';

export const awsSettings = group('AWS', {
  AWS_REGION: text(
    'us-east-1',
    "Region, in production to be said; credentials come from the SDK's default chain",
    {
      pattern: '^[a-z0-9-]{1,32}$',
    },
  ),
  AWS_ENDPOINT_URL: address(unset, 'Another address for all services of AWS'),
  AWS_ENDPOINT_URL_EVENTBRIDGE: address(unset, 'Another address for EventBridge'),
  AWS_ENDPOINT_URL_SQS: address(unset, 'Another address for SQS'),
  AWS_ENDPOINT_URL_CLOUDWATCH: address(unset, 'Another address for CloudWatch'),
  AWS_ENDPOINT_URL_SCHEMAS: address(unset, 'Another address for the Schema Registry'),
  AWS_ENDPOINT_URL_DYNAMODB: address(unset, 'Another address for DynamoDB'),
  AWS_CA_BUNDLE: certificates(
    'File of PEM certificates of authorities that are trusted for AWS besides the usual ones',
  ),
  AWS_CONNECT_TIMEOUT_MS: integer(2000, [10, 60_000], 'Time to connect'),
  AWS_REQUEST_TIMEOUT_MS: integer(5000, [10, 120_000], 'Time for one call'),
  EVENTBUS_NAME: text('default', 'Name or ARN of the event bus; in production it must be said', {
    maxLength: 1600,
  }),
  EVENTBUS_MAX_BATCH_BYTES: integer(
    1_000_000,
    [1024, 1_048_576],
    'Size of one PutEvents; 262144 where the old limit holds',
  ),
  EVENTBUS_CHECK_INTERVAL_MS: integer(
    10_000,
    [1000, 3_600_000],
    'Between two looks whether the bus is there: a deleted one swallows events until the next',
  ),
  DLQ_QUEUE_URL: address(
    unset,
    'SQS dead-letter queue, standard or FIFO (`.fifo`), also of another region or behind a VPC endpoint: its host is called unless an address is set for SQS; required by readers and publishers',
  ),
  CLOUDWATCH_ENABLED: flag(true, 'Send metrics to CloudWatch'),
  METRICS_INTERVAL_MS: integer(60_000, [100, 3_600_000], 'Between two sends to CloudWatch'),
});
