import { type JsonObject, textOf } from './answers.ts';
import { invalid, type OutgoingMessage, sqsRefusal } from './message-rules.ts';
import { createQueue, type Queue, redrivePolicyOf } from './queue.ts';

export interface QueuesOptions {
  readonly region: string;
  readonly account: string;
  readonly keepMessages: number;
  /** Epoch milliseconds. */
  readonly now: () => number;
}

export type Queues = ReturnType<typeof createQueues>;

/** The queues of an account in a region, by name. */
export function createQueues(options: QueuesOptions) {
  const queues = new Map<string, Queue>();

  function named(name: string): Queue {
    const queue = queues.get(name);
    if (queue !== undefined) return queue;
    throw sqsRefusal(
      'QueueDoesNotExist',
      'The specified queue does not exist.',
      'AWS.SimpleQueueService.NonExistentQueue',
    );
  }

  return {
    /** Leaves a queue of that name as it is. */
    create(name: string, attributes: Readonly<Record<string, string>> = {}): void {
      if (queues.has(name)) return;
      const isFifo = String(name.endsWith('.fifo'));
      if (
        !/^[\w-]{1,80}(?:\.fifo)?$/.test(name) ||
        (attributes['FifoQueue'] ?? isFifo) !== isFifo
      ) {
        throw invalid(
          'Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length; the name of a FIFO queue ends with .fifo',
        );
      }
      const { region, account, keepMessages, now } = options;
      const arn = `arn:aws:sqs:${region}:${account}:${name}`;
      redrivePolicyOf(attributes['RedrivePolicy']);
      const redrive = (target: string, message: OutgoingMessage) =>
        void queues.get(target.slice(target.lastIndexOf(':') + 1))?.send(message);
      queues.set(name, createQueue({ name, arn, attributes, keepMessages, redrive, now }));
    },
    /** The one that a request names; throws as SQS refuses it. */
    of(input: JsonObject): Queue {
      const url = textOf(input, 'QueueUrl') ?? '';
      return named(url.slice(url.lastIndexOf('/') + 1));
    },
    named,
    find: (name: string) => queues.get(name),
    delete: (name: string) => void queues.delete(name),
    purge(): void {
      for (const queue of queues.values()) queue.purge();
    },
  };
}
