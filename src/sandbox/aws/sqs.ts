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
  invalidValue,
  readMessage,
  sqsRefusal,
} from './message-rules.ts';
import type { Queue, StoredMessage } from './queue.ts';
import { checkChange, checkNames } from './queue-attributes.ts';
import { createQueues, type Queues, type QueuesOptions } from './queues.ts';
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

/** SQS, JSON 1.0 (`AmazonSQS.<operation>`). */
export function createSqs(options: QueuesOptions): SandboxSqs {
  const queues = createQueues(options);
  return {
    operations: {
      ...queueOperations(queues, options.account),
      ...sendOperations(queues),
      ...receiveOperations(queues),
    },
    create: (name) => queues.create(name),
    delete: (name) => queues.delete(name),
    find: (name) => queues.find(name),
    purge: () => queues.purge(),
  };
}

/** To make queues, find, configure and empty them. */
function queueOperations(queues: Queues, account: string): Record<string, AwsOperation> {
  return {
    CreateQueue(input, call) {
      const name = textOf(input, 'QueueName') ?? '';
      queues.create(name, texts(input['Attributes']));
      return { QueueUrl: `${call.origin}/${account}/${name}` };
    },

    DeleteQueue(input) {
      queues.delete(queues.of(input).name);
      return {};
    },

    GetQueueUrl(input, call) {
      const { name } = queues.named(textOf(input, 'QueueName') ?? '');
      return { QueueUrl: `${call.origin}/${account}/${name}` };
    },

    GetQueueAttributes(input) {
      const asked = input['AttributeNames'];
      const names: string[] = Array.isArray(asked) ? asked.map(String) : [];
      checkNames(names.filter((name) => name !== 'All'));
      const all = Object.entries(queues.of(input).attributes());
      const found = all.filter(([name]) => names.includes('All') || names.includes(name));
      return { Attributes: Object.fromEntries(found) };
    },

    SetQueueAttributes(input) {
      const queue = queues.of(input);
      const attributes = texts(input['Attributes']);
      checkChange(Object.keys(attributes), queue.rules().isFifo);
      queue.configure(attributes);
      return {};
    },

    PurgeQueue(input) {
      queues.of(input).purge();
      return {};
    },
  };
}

function sendOperations(queues: Queues): Record<string, AwsOperation> {
  return {
    SendMessage(input) {
      const queue = queues.of(input);
      const message = queue.send(readMessage(input, queue.rules()));
      return sent(message);
    },

    SendMessageBatch(input, call) {
      const queue = queues.of(input);
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
  };
}

/** To take messages, keep them longer or give them back, and delete them. */
function receiveOperations(queues: Queues): Record<string, AwsOperation> {
  return {
    async ReceiveMessage(input, call) {
      const queue = queues.of(input);
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
      queues.of(input).delete(textOf(input, 'ReceiptHandle') ?? '');
      return {};
    },

    DeleteMessageBatch(input, call) {
      const queue = queues.of(input);
      return eachOf(batchOf(input), call, (entry) => {
        queue.delete(textOf(entry, 'ReceiptHandle') ?? '');
        return {};
      });
    },

    ChangeMessageVisibility(input) {
      const receipt = textOf(input, 'ReceiptHandle') ?? '';
      queues.of(input).changeVisibility(receipt, Number(input['VisibilityTimeout']));
      return {};
    },

    ChangeMessageVisibilityBatch(input, call) {
      const queue = queues.of(input);
      return eachOf(batchOf(input), call, (entry) => {
        const receipt = textOf(entry, 'ReceiptHandle') ?? '';
        queue.changeVisibility(receipt, Number(entry['VisibilityTimeout'] ?? 30));
        return {};
      });
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
