import type { AwsConnectionOptions } from '../aws/sdk/connection.ts';
import { type AwsCredentialsOptions, createCredentials } from '../aws/sdk/credentials.ts';
import type { Logger } from '../lib/logger.ts';
import type { Config } from '../settings/load-config.ts';
import { regionIn } from '../settings/rules.ts';
import { networkOf } from './shared.ts';

export type AwsConnections = ReturnType<typeof awsConnections>;

/** A record is a call of its own. */
const TABLE_SOCKETS = 32;

/** Where each AWS service is; its own address wins over the one for all. One credentials for all. */
export function awsConnections(
  config: Config,
  log?: Logger,
  credentialsOptions?: AwsCredentialsOptions,
) {
  const credentials = createCredentials({ log, ...credentialsOptions });
  const network = networkOf(config);
  const { AWS_CA_BUNDLE = '' } = config;
  const authorities = `${network.authorities ?? ''}${AWS_CA_BUNDLE}` || undefined;
  const at = (endpoint: string | undefined): AwsConnectionOptions => ({
    credentials,
    region: config.AWS_REGION,
    endpoint: endpoint ?? config.AWS_ENDPOINT_URL,
    maxSockets: config.PUBLISH_MAX_IN_FLIGHT,
    connectTimeoutMs: config.AWS_CONNECT_TIMEOUT_MS,
    requestTimeoutMs: config.AWS_REQUEST_TIMEOUT_MS,
    network: { ...network, authorities },
    log,
  });
  return {
    eventBridge: at(config.AWS_ENDPOINT_URL_EVENTBRIDGE),
    /** A queue of another region is called there, and that region signs. */
    queueAt: (queueUrl: string): AwsConnectionOptions => ({
      ...at(config.AWS_ENDPOINT_URL_SQS),
      region: regionIn(queueUrl) ?? config.AWS_REGION,
    }),
    cloudWatch: at(config.AWS_ENDPOINT_URL_CLOUDWATCH),
    schemas: at(config.AWS_ENDPOINT_URL_SCHEMAS),
    dynamoDb: { ...at(config.AWS_ENDPOINT_URL_DYNAMODB), maxSockets: TABLE_SOCKETS },
  };
}
