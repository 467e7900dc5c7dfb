import type { Service } from './operation.ts';

/**
 * What the sandbox asks of its AWS look-alike. `aws/index.ts` exports
 * `createSandboxAws(options: CloudOptions): Cloud`; the sandbox mounts `service` in its listener
 * and shows the rest to tests and under `/_sandbox/`.
 */
export interface CloudOptions {
  /** Default `us-east-1`. */
  readonly region?: string;
  /** Buses that exist besides `default`. */
  readonly buses?: readonly string[];
  /** The dead-letter queue; ending in `.fifo` makes it a FIFO queue. */
  readonly deadLetterQueue: string;
  /** `false`: the queue is not there at first (`createQueue` makes it). */
  readonly deadLetterQueueExists?: boolean;
  /**
   * How many events and messages are kept to look at. Beyond it events are only counted, so that
   * a benchmark does not fill the memory. Default 100,000.
   */
  readonly keepEvents?: number;
}

export interface Cloud {
  readonly service: Service;
  /** `AWS_*`, `EVENTBUS_NAME` and `DLQ_QUEUE_URL` for a sandbox at this address. */
  environment(url: string): Readonly<Record<string, string>>;
  /** What the buses accepted, oldest first, at most `keepEvents`. */
  readonly busEvents: readonly CloudEvent[];
  /** How many they accepted in all. */
  busEventCount(): number;
  /**
   * The id of every event that they accepted, in that order, repeated ones included, also beyond
   * `keepEvents`: `metadata.eventId` of the detail, else `interactionId`, else what the bus gave.
   */
  readonly acceptedIds: Iterable<string> & { readonly length: number };
  /** The messages in the dead-letter queue, oldest first. */
  deadLetters(): readonly CloudMessage[];
  /** What PutMetricData brought, oldest first. */
  readonly metrics: readonly CloudMetric[];
  /** Makes a queue or a bus appear or go away while everything runs. */
  createQueue(name: string): void;
  deleteQueue(name: string): void;
  createBus(name: string): void;
  deleteBus(name: string): void;
  /** What is signed with this access key is refused from now on. */
  revokeAccessKey(accessKeyId: string): void;
  /** Adds a schema, or a new version of it, to the Schema Registry. */
  putSchema(schema: CloudSchema): void;
  /** Forgets events, messages and metrics; buses, queues and schemas stay. */
  reset(): void;
}

export interface CloudEvent {
  /** Given by the bus. */
  readonly eventId: string;
  readonly bus: string;
  readonly source: string;
  readonly detailType: string;
  /** JSON text, as it was sent. */
  readonly detail: string;
  readonly resources: readonly string[];
  /** As sent, in epoch seconds. */
  readonly time?: number;
  readonly traceHeader?: string;
  /** Epoch milliseconds. */
  readonly receivedAt: number;
}

export interface CloudMessage {
  readonly messageId: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly groupId?: string;
  readonly deduplicationId?: string;
  readonly sentAt: number;
}

export interface CloudMetric {
  readonly namespace: string;
  readonly name: string;
  readonly unit?: string;
  readonly values: readonly number[];
  readonly counts: readonly number[];
  readonly receivedAt: number;
}

export interface CloudSchema {
  readonly registry: string;
  readonly name: string;
  readonly type: 'JSONSchemaDraft4' | 'OpenApi3';
  readonly content: string;
  /** Default: one more than the latest. */
  readonly version?: string;
}
