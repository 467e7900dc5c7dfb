// Processes of one role each over a shared buffer, as they run in production.
import {
  CreateQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { type SandboxProcess, type ServiceProcess, startProcess } from './processes.ts';

export interface BufferQueue {
  readonly url: string;
  /** Messages in it, held ones included. */
  size(): Promise<number>;
  /** Up to ten of the messages that nobody holds; others may have them after a second. */
  peek(): Promise<readonly Message[]>;
  close(): void;
}

/** A new queue of the sandbox, as the documents want it. */
export async function createBufferQueue({ environment }: SandboxProcess): Promise<BufferQueue> {
  const sqs = new SQSClient({
    region: environment['AWS_REGION'] ?? '',
    endpoint: environment['AWS_ENDPOINT_URL'] ?? '',
    credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
  });
  const { QueueUrl = '' } = await sqs.send(
    new CreateQueueCommand({
      QueueName: 'events.fifo',
      Attributes: {
        FifoQueue: 'true',
        DeduplicationScope: 'messageGroup',
        FifoThroughputLimit: 'perMessageGroupId',
        MessageRetentionPeriod: '1209600',
      },
    }),
  );
  return {
    url: QueueUrl,
    async size() {
      const command = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] });
      const { Attributes } = await sqs.send(command);
      return (
        Number(Attributes?.ApproximateNumberOfMessages) +
        Number(Attributes?.ApproximateNumberOfMessagesNotVisible) +
        Number(Attributes?.ApproximateNumberOfMessagesDelayed)
      );
    },
    async peek() {
      const command = new ReceiveMessageCommand({
        QueueUrl,
        MaxNumberOfMessages: 10,
        VisibilityTimeout: 1,
        MessageSystemAttributeNames: ['ApproximateReceiveCount'],
      });
      return (await sqs.send(command)).Messages ?? [];
    },
    close: () => sqs.destroy(),
  };
}

/** `name`: its role and a number, for example `reader-0`. */
export function startReplica(
  name: string,
  { environment }: SandboxProcess,
  bufferUrl: string,
  settings: Readonly<Record<string, string>> = {},
  nodeArguments: readonly string[] = [],
): Promise<ServiceProcess> {
  return startProcess(
    {
      ...environment,
      ROLES: roleOf(name),
      READER_NAME: name,
      BUFFER_QUEUE_URL: bufferUrl,
      HTTP_RATE_LIMIT_PER_MINUTE: '0',
      ...settings,
    },
    { nodeArguments },
  );
}

export function roleOf(name: string): string {
  return name.slice(0, name.indexOf('-'));
}

/** A number of its metrics. */
export async function metricOf(service: ServiceProcess, metric: string): Promise<number> {
  const text = await (await service.until('/metrics')).text();
  return Number(new RegExp(`^${metric} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN);
}
