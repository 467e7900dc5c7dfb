import { setTimeout as sleep } from 'node:timers/promises';
import {
  type AwsOperation,
  type AwsOperationCall,
  AwsRefusal,
  isObject,
  type JsonObject,
  listOf,
  textOf,
} from './answers.ts';
import {
  attributesOf,
  bytesOf,
  checkFifoBatch,
  invalid,
  invalidValue,
  readMessage,
  sqsRefusal,
} from './message-rules.ts';
import { createQueue, type Queue, type StoredMessage } from './queue.ts';
import { checkChange, checkNames } from './queue-attributes.ts';
import { receivedMessage } from './received-message.ts';

const MAX_BATCH = 10;
const BATCH_BYTES = 1_048_576;
/** How often a long poll looks again. */
const POLL_MS = 20;

export interface SandboxSqs {
  readonly operations: Readonly<Record<string, AwsOperation>>;
  create(name: string): void;
  delete(name: string): void;
  find(name: string): Queue | undefined;
  /** Empties every queue. */
  purge(): void;
}

export interface SandboxSqsOptions {
  readonly region: string;
  readonly account: string;
  readonly keepMessages: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

/** SQS, JSON 1.0 (`AmazonSQS.<operation>`). */
export function createSqs(options: SandboxSqsOptions): SandboxSqs {
  const { account } = options;
  const queues = new Map<string, Queue>();

  function create(name: string, attributes: Readonly<Record<string, string>> = {}): void {
    if (queues.has(name)) return;
    if (
      !/^[\w-]{1,80}(?:\.fifo)?$/.test(name) ||
      (attributes['FifoQueue'] ?? String(name.endsWith('.fifo'))) !== String(name.endsWith('.fifo'))
    ) {
      throw invalid(
        'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length; the name of a FIFO queue ends with .fifo',
      );
    }
    const arn = `arn:aws:sqs:${options.region}:${account}:${name}`;
    const { keepMessages, now } = options;
    queues.set(name, createQueue({ name, arn, attributes, keepMessages, now }));
  }

  function queueOf(input: JsonObject): Queue {
    const url = textOf(input, 'QueueUrl') ?? '';
    return existing(url.slice(url.lastIndexOf('/') + 1));
  }

  function existing(name: string): Queue {
    const queue = queues.get(name);
    if (queue !== undefined) return queue;
    throw sqsRefusal(
      'QueueDoesNotExist',
      'The specified queue does not exist.',
      'AWS.SimpleQueueService.NonExistentQueue',
    );
  }

  const operations: Record<string, AwsOperation> = {
    CreateQueue(input, call) {
      const name = textOf(input, 'QueueName') ?? '';
      create(name, texts(input['Attributes']));
      return { QueueUrl: `${call.origin}/${account}/${name}` };
    },

    DeleteQueue(input) {
      queues.delete(queueOf(input).name);
      return {};
    },

    GetQueueUrl(input, call) {
      const { name } = existing(textOf(input, 'QueueName') ?? '');
      return { QueueUrl: `${call.origin}/${account}/${name}` };
    },

    GetQueueAttributes(input) {
      const asked = input['AttributeNames'];
      const names: string[] = Array.isArray(asked) ? asked.map(String) : [];
      checkNames(names.filter((name) => name !== 'All'));
      const all = Object.entries(queueOf(input).attributes());
      const found = all.filter(([name]) => names.includes('All') || names.includes(name));
      return { Attributes: Object.fromEntries(found) };
    },

    SetQueueAttributes(input) {
      const queue = queueOf(input);
      const attributes = texts(input['Attributes']);
      checkChange(Object.keys(attributes), queue.rules().isFifo);
      queue.configure(attributes);
      return {};
    },

    PurgeQueue(input) {
      queueOf(input).purge();
      return {};
    },

    SendMessage(input) {
      const queue = queueOf(input);
      const message = queue.send(readMessage(input, queue.rules()));
      return sent(message);
    },

    SendMessageBatch(input, call) {
      const queue = queueOf(input);
      const entries = batchOf(input);
      checkFifoBatch(entries, queue.rules());
      const bytes = entries.reduce(
        (sum, entry) => sum + bytesOf(textOf(entry, 'MessageBody') ?? '', attributesOf(entry)),
        0,
      );
      if (bytes > BATCH_BYTES) {
        const text = `Batch requests cannot be longer than ${BATCH_BYTES} bytes. You have sent ${bytes} bytes.`;
        throw batchRefusal('BatchRequestTooLong', text);
      }
      return eachOf(entries, call, (entry) => sent(queue.send(readMessage(entry, queue.rules()))));
    },

    async ReceiveMessage(input, call) {
      const queue = queueOf(input);
      const max = integer(input, 'MaxNumberOfMessages', 1, 10) ?? 1;
      const visibilitySeconds = integer(input, 'VisibilityTimeout', 0, 43_200);
      const defaultWait = Number(queue.attributes()['ReceiveMessageWaitTimeSeconds']);
      const waitMs = 1000 * (integer(input, 'WaitTimeSeconds', 0, 20) ?? defaultWait);
      const until = performance.now() + waitMs;
      let received = queue.receive(max, visibilitySeconds);
      while (received.length === 0 && performance.now() < until && !call.gone()) {
        await sleep(POLL_MS, undefined, { ref: false });
        received = queue.receive(max, visibilitySeconds);
      }
      const shown = received.map((message) => receivedMessage(message, input));
      return shown.length === 0 ? {} : { Messages: shown };
    },

    DeleteMessage(input) {
      queueOf(input).delete(textOf(input, 'ReceiptHandle') ?? '');
      return {};
    },

    DeleteMessageBatch(input, call) {
      const queue = queueOf(input);
      return eachOf(batchOf(input), call, (entry) => {
        queue.delete(textOf(entry, 'ReceiptHandle') ?? '');
        return {};
      });
    },

    ChangeMessageVisibility(input) {
      const receipt = textOf(input, 'ReceiptHandle') ?? '';
      queueOf(input).changeVisibility(receipt, Number(input['VisibilityTimeout']));
      return {};
    },

    ChangeMessageVisibilityBatch(input, call) {
      const queue = queueOf(input);
      return eachOf(batchOf(input), call, (entry) => {
        const receipt = textOf(entry, 'ReceiptHandle') ?? '';
        queue.changeVisibility(receipt, Number(entry['VisibilityTimeout'] ?? 30));
        return {};
      });
    },
  };

  return {
    operations,
    create: (name) => create(name),
    delete: (name) => void queues.delete(name),
    find: (name) => queues.get(name),
    purge() {
      for (const queue of queues.values()) queue.purge();
    },
  };
}

/** One answer for each entry; a refused one does not stop the others. */
function eachOf(
  entries: readonly JsonObject[],
  call: AwsOperationCall,
  work: (entry: JsonObject) => JsonObject,
): JsonObject {
  const Successful: JsonObject[] = [];
  const Failed: JsonObject[] = [];
  for (const entry of entries) {
    const Id = textOf(entry, 'Id') ?? '';
    const fault = call.failsEntry(Id);
    if (fault !== undefined) {
      // AWS' own faults are the ones worth another try.
      const SenderFault = !/Internal|Unavailable|Throttl/.test(fault.code);
      Failed.push({ Id, SenderFault, Code: fault.code, Message: fault.message ?? '' });
      continue;
    }
    try {
      Successful.push({ Id, ...work(entry) });
    } catch (error) {
      if (!(error instanceof AwsRefusal)) throw error;
      Failed.push({ Id, SenderFault: true, Code: error.queryCode, Message: error.message });
    }
  }
  return { Successful, ...(Failed.length === 0 ? {} : { Failed }) };
}

function batchOf(input: JsonObject): readonly JsonObject[] {
  const entries = listOf(input, 'Entries');
  if (entries.length === 0) {
    throw batchRefusal('EmptyBatchRequest', 'There should be at least one entry in the request.');
  }
  if (entries.length > MAX_BATCH) {
    const text = `Maximum number of entries per request are ${MAX_BATCH}. You have sent ${entries.length}.`;
    throw batchRefusal('TooManyEntriesInBatchRequest', text);
  }
  const ids = entries.map((entry) => textOf(entry, 'Id') ?? '');
  if (!ids.every((id) => /^[\w-]{1,80}$/.test(id))) {
    const text =
      'A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.';
    throw batchRefusal('InvalidBatchEntryId', text);
  }
  if (new Set(ids).size !== ids.length) {
    throw batchRefusal('BatchEntryIdsNotDistinct', 'Two or more batch entries have the same Id.');
  }
  return entries;
}

function batchRefusal(code: string, message: string): AwsRefusal {
  return sqsRefusal(code, message, `AWS.SimpleQueueService.${code}`);
}

function sent(message: StoredMessage): JsonObject {
  return {
    MessageId: message.messageId,
    MD5OfMessageBody: message.bodyMd5,
    MD5OfMessageAttributes: message.attributesMd5,
    SequenceNumber: message.sequenceNumber,
  };
}

function integer(input: JsonObject, name: string, min: number, max: number): number | undefined {
  const value = input[name];
  if (value === undefined) return undefined;
  if (typeof value === 'number' && value >= min && value <= max) return value;
  throw invalidValue(value, name, `Must be between ${min} and ${max}, if provided.`);
}

function texts(value: unknown): Readonly<Record<string, string>> {
  return isObject(value)
    ? Object.fromEntries(Object.entries(value).map(([name, text]) => [name, String(text)]))
    : {};
}
