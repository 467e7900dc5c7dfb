/** What the attributes of a queue mean for a buffer of events. */
export interface BufferFitness {
  /** One sentence each; the last one is the command that mends them. */
  readonly problems: readonly string[];
  /** What operators may want to know of a queue that is well. */
  readonly remark?: string;
}

export interface BufferUse {
  readonly queueUrl: string;
  /** Where the queue is. */
  readonly region: string;
  /** After so many holds an event becomes a letter of ours. */
  readonly maxHolds: number;
}

type Attributes = Readonly<Record<string, string>>;

const RETENTION_SECONDS = 1_209_600;
const MESSAGE_BYTES = 1_048_576;
/** Of a queue that moves messages elsewhere by itself: only as a net below ours. */
const NET_RECEIVES = 100;
/** SQS knows no more. */
const MAX_RECEIVES = 1000;
const HIGH_THROUGHPUT: Attributes = {
  DeduplicationScope: 'messageGroup',
  FifoThroughputLimit: 'perMessageGroupId',
};
const STANDARD = 'a standard queue: copies of an event that several readers read are not dropped';

export function judgeBuffer(found: Attributes, use: BufferUse): BufferFitness {
  const isNamedFifo = use.queueUrl.endsWith('.fifo');
  const isFifo = found['FifoQueue'] === 'true';
  if (isNamedFifo !== isFifo) {
    const problem = isNamedFifo
      ? 'it is a standard queue, though its name ends with .fifo: it drops no copies'
      : 'it is a FIFO queue, though its URL does not end with .fifo';
    return { problems: [problem, `make one that is: ${createCommand(use)}`] };
  }
  const problems: string[] = [];
  const mended: Record<string, string> = {};
  const seconds = Number(found['MessageRetentionPeriod'] ?? RETENTION_SECONDS);
  const bytes = Number(found['MaximumMessageSize'] ?? MESSAGE_BYTES);
  const delaySeconds = Number(found['DelaySeconds'] ?? 0);

  if (isFifo && Object.entries(HIGH_THROUGHPUT).some(([name, value]) => found[name] !== value)) {
    problems.push(
      'it is no FIFO queue of high throughput (DeduplicationScope, FifoThroughputLimit): it takes 300 calls a second',
    );
    Object.assign(mended, HIGH_THROUGHPUT);
  }
  if (seconds < RETENTION_SECONDS) {
    problems.push(
      `it forgets events after ${days(seconds)} days (MessageRetentionPeriod); the longest are 14`,
    );
    mended['MessageRetentionPeriod'] = String(RETENTION_SECONDS);
  }
  if (bytes < MESSAGE_BYTES) {
    problems.push(
      `it takes messages of at most ${bytes} bytes (MaximumMessageSize), and larger events become dead letters; SQS allows ${MESSAGE_BYTES}`,
    );
    mended['MaximumMessageSize'] = String(MESSAGE_BYTES);
  }
  if (delaySeconds > 0) {
    problems.push(`it holds every event back for ${delaySeconds} seconds (DelaySeconds)`);
    mended['DelaySeconds'] = '0';
  }
  const redrive = redriveOf(found['RedrivePolicy']);
  if (redrive !== undefined && redrive.maxReceiveCount < Math.min(MAX_RECEIVES, use.maxHolds + 1)) {
    problems.push(
      `it moves events away after ${redrive.maxReceiveCount} holds (RedrivePolicy), before they are dead letters after ${use.maxHolds} (BUFFER_MAX_HOLDS)`,
    );
    const maxReceiveCount = Math.min(MAX_RECEIVES, Math.max(NET_RECEIVES, 2 * use.maxHolds));
    mended['RedrivePolicy'] = JSON.stringify({ ...redrive, maxReceiveCount });
  }
  if (problems.length > 0) problems.push(`mend it: ${setCommand(use, mended)}`);
  return isFifo ? { problems } : { problems, remark: STANDARD };
}

/** Makes a queue as the buffer wants it. */
export function createCommand({ queueUrl, region }: BufferUse): string {
  const name = new URL(queueUrl).pathname.split('/').at(-1) ?? '';
  const attributes = {
    ...(name.endsWith('.fifo') && { FifoQueue: 'true', ...HIGH_THROUGHPUT }),
    MessageRetentionPeriod: String(RETENTION_SECONDS),
    MaximumMessageSize: String(MESSAGE_BYTES),
  };
  return `aws sqs create-queue --region ${region} --queue-name ${quoted(name)} --attributes ${quoted(JSON.stringify(attributes))}`;
}

function setCommand({ queueUrl, region }: BufferUse, attributes: Attributes): string {
  return `aws sqs set-queue-attributes --region ${region} --queue-url ${quoted(queueUrl)} --attributes ${quoted(JSON.stringify(attributes))}`;
}

/** For a shell. */
const quoted = (text: string) => `'${text.replaceAll("'", String.raw`'\''`)}'`;

const days = (seconds: number) => Math.round((seconds / 86_400) * 10) / 10;

function redriveOf(text: string | undefined) {
  if (text === undefined || text === '') return undefined;
  const policy = JSON.parse(text) as Readonly<Record<string, unknown>>;
  return { ...policy, maxReceiveCount: Number(policy['maxReceiveCount']) };
}
