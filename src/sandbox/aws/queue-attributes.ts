import { sqsRefusal } from './message-rules.ts';

const FIFO_ATTRIBUTES = [
  'FifoQueue',
  'ContentBasedDeduplication',
  'DeduplicationScope',
  'FifoThroughputLimit',
];
const QUEUE_ATTRIBUTES: ReadonlySet<string> = new Set([
  ...FIFO_ATTRIBUTES,
  ...'Policy VisibilityTimeout MaximumMessageSize MessageRetentionPeriod DelaySeconds'.split(' '),
  ...'ReceiveMessageWaitTimeSeconds RedrivePolicy RedriveAllowPolicy QueueArn'.split(' '),
  ...'ApproximateNumberOfMessages ApproximateNumberOfMessagesNotVisible'.split(' '),
  ...'ApproximateNumberOfMessagesDelayed CreatedTimestamp LastModifiedTimestamp'.split(' '),
  ...'KmsMasterKeyId KmsDataKeyReusePeriodSeconds SqsManagedSseEnabled'.split(' '),
]);

/** What a queue has that nobody configured. */
export function defaultAttributes(isFifo: boolean): Record<string, string> {
  return {
    VisibilityTimeout: '30',
    MaximumMessageSize: '1048576',
    MessageRetentionPeriod: '345600',
    DelaySeconds: '0',
    ReceiveMessageWaitTimeSeconds: '0',
    SqsManagedSseEnabled: 'true',
    ...(isFifo ? { FifoQueue: 'true', ContentBasedDeduplication: 'false' } : {}),
  };
}

/** Names that somebody asks for. */
export function checkNames(names: readonly string[]): void {
  const unknown = names.find((name) => !QUEUE_ATTRIBUTES.has(name));
  if (unknown !== undefined) throw unknownAttribute(unknown);
}

/** Names that somebody sets. */
export function checkChange(names: readonly string[], isFifo: boolean): void {
  checkNames(names);
  const barred = names.find((name) => !isFifo && FIFO_ATTRIBUTES.includes(name));
  if (barred !== undefined) throw unknownAttribute(barred);
}

function unknownAttribute(name: string) {
  return sqsRefusal('InvalidAttributeName', `Unknown Attribute ${name}.`);
}
