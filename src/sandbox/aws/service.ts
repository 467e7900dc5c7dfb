import type { IncomingMessage } from 'node:http';
import { gunzipSync } from 'node:zlib';
import type { Cloud, CloudEvent, CloudMessage, CloudMetric, CloudOptions } from '../cloud.ts';
import { createIdList } from '../id-list.ts';
import type { Call, Operation, Reply } from '../operation.ts';
import {
  type AwsOperation,
  AwsRefusal,
  forcedRefusal,
  isObject,
  type JsonObject,
  refusal,
} from './answers.ts';
import { createCloudWatch } from './cloudwatch.ts';
import { createEventBridge } from './event-bridge.ts';
import type { StoredMessage } from './queue.ts';
import { createRecent } from './recent.ts';
import { createSchemaRegistry, type SandboxSchemaRegistry } from './schema-registry.ts';
import { createSqs } from './sqs.ts';

const ACCOUNT = '000000000000';
const MAX_UNPACKED_BYTES = 16_777_216;

export interface SandboxAwsOptions extends CloudOptions {
  /** Epoch milliseconds; steers visibility time-outs and de-duplication. */
  readonly now?: () => number;
}

/** EventBridge, SQS, CloudWatch and the Schema Registry, as one service of the sandbox. */
export function createSandboxAws(options: SandboxAwsOptions): Cloud {
  const { region = 'us-east-1', keepEvents = 100_000, now = Date.now } = options;
  const events = createRecent<CloudEvent>(keepEvents);
  const metrics = createRecent<CloudMetric>(keepEvents);
  const acceptedIds = createIdList();
  const eventBridge = createEventBridge({
    region,
    account: ACCOUNT,
    buses: options.buses ?? [],
    events,
    onAccepted: (event, detail) => acceptedIds.add(auditId(event, detail)),
  });
  const sqs = createSqs({ region, account: ACCOUNT, keepMessages: keepEvents, now });
  if (options.deadLetterQueueExists ?? true) sqs.create(options.deadLetterQueue);
  const schemas = createSchemaRegistry({ region, account: ACCOUNT });
  const revoked = new Set<string>();

  const operations = new Map<string, Operation>([
    ...operationsOf('AWSEvents', 'aws.events', eventBridge.operations),
    ...operationsOf('AmazonSQS', 'aws.sqs', sqs.operations),
    ...operationsOf(
      'GraniteServiceVersion20100801',
      'aws.cloudwatch',
      createCloudWatch({ metrics, now }),
    ),
  ]);

  return {
    service: {
      operations: [
        ...Array.from(operations.values(), ({ name }) => name),
        'aws.schemas.DescribeSchema',
        'aws.schemas.ListSchemaVersions',
        'aws.unknown',
      ],
      route(request, path) {
        const target = request.headers['x-amz-target'];
        const operation =
          typeof target === 'string'
            ? (operations.get(target) ?? unknownOperation(target))
            : schemaOperation(request, path, schemas);
        return operation === undefined || !revoked.has(accessKeyOf(request))
          ? operation
          : { name: operation.name, handle: refuseKey };
      },
      refuse: forcedRefusal,
      headers: (requestId) => ({ 'x-amzn-requestid': requestId }),
    },
    environment: (url) => ({
      AWS_REGION: region,
      AWS_ENDPOINT_URL: url,
      AWS_ACCESS_KEY_ID: 'sandbox',
      AWS_SECRET_ACCESS_KEY: 'sandbox',
      EVENTBUS_NAME: [...(options.buses ?? []), 'default'][0] ?? 'default',
      DLQ_QUEUE_URL: `${url}/${ACCOUNT}/${options.deadLetterQueue}`,
    }),
    busEvents: events.items,
    busEventCount: () => events.total,
    acceptedIds,
    deadLetters: () => sqs.find(options.deadLetterQueue)?.messages().map(cloudMessage) ?? [],
    metrics: metrics.items,
    createQueue: (name) => sqs.create(name),
    deleteQueue: (name) => sqs.delete(name),
    createBus: (name) => eventBridge.createBus(name),
    deleteBus: (name) => eventBridge.deleteBus(name),
    revokeAccessKey: (id) => void revoked.add(id),
    putSchema: (schema) => schemas.put(schema),
    reset() {
      events.clear();
      metrics.clear();
      acceptedIds.clear();
      sqs.purge();
    },
  };
}

function cloudMessage(message: StoredMessage): CloudMessage {
  const { messageId, body, attributes, sentAt, groupId, deduplicationId } = message;
  return {
    messageId,
    body,
    attributes,
    sentAt,
    ...(groupId === undefined ? {} : { groupId }),
    ...(deduplicationId === undefined ? {} : { deduplicationId }),
  };
}

function auditId(event: CloudEvent, detail: JsonObject): string {
  const { interactionId } = detail;
  return typeof interactionId === 'string' ? interactionId : event.eventId;
}

function operationsOf(
  prefix: string,
  family: string,
  operations: Readonly<Record<string, AwsOperation>>,
): [string, Operation][] {
  return Object.entries(operations).map(([name, run]) => [
    `${prefix}.${name}`,
    {
      name: `${family}.${name}`,
      handle: (call) => answer(call, () => run(readJson(call), operationCall(call))),
    },
  ]);
}

function unknownOperation(target: string): Operation {
  return {
    name: 'aws.unknown',
    handle: () =>
      refusal({
        code: 'UnknownOperationException',
        message: `No operation ${target}`,
        status: 400,
      }),
  };
}

function schemaOperation(
  request: IncomingMessage,
  path: string,
  schemas: SandboxSchemaRegistry,
): Operation | undefined {
  if (!path.startsWith('/v1/registries/') || request.method !== 'GET') return undefined;
  const match = /^\/v1\/registries\/name\/([^/]+)\/schemas\/name\/([^/]+)(\/versions)?$/.exec(path);
  const [, registry, name, versions] = match ?? [];
  if (registry === undefined || name === undefined) return unknownOperation(path);
  const [r, s] = [decodeURIComponent(registry), decodeURIComponent(name)];
  return versions === undefined
    ? {
        name: 'aws.schemas.DescribeSchema',
        handle: (call) =>
          answer(call, () => {
            const version = new URLSearchParams(call.query).get('schemaVersion') ?? undefined;
            return schemas.describe(r, s, version);
          }),
      }
    : {
        name: 'aws.schemas.ListSchemaVersions',
        handle: (call) => answer(call, () => schemas.versions(r, s)),
      };
}

function accessKeyOf({ headers }: IncomingMessage): string {
  return /Credential=([^/]+)\//.exec(headers.authorization ?? '')?.[1] ?? '';
}

function refuseKey(): Reply {
  return refusal({
    code: 'UnrecognizedClientException',
    message: 'The security token included in the request is invalid.',
    status: 400,
  });
}

/** Signatures are not verified, but a request must have one. */
function answer(call: Call, run: () => unknown): Reply | Promise<Reply> {
  try {
    if (!(call.request.headers.authorization ?? '').startsWith('AWS4-HMAC-SHA256 ')) {
      throw new AwsRefusal('MissingAuthenticationTokenException', 'Missing Authentication Token');
    }
    const output = run();
    return output instanceof Promise ? output.then(success, refused) : success(output);
  } catch (error) {
    return refused(error);
  }
}

function success(output: unknown): Reply {
  return {
    status: 200,
    headers: { 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify(output),
  };
}

function refused(error: unknown): Reply {
  if (error instanceof AwsRefusal) return refusal(error);
  throw error;
}

function operationCall(call: Call) {
  return {
    origin: `http://${call.request.headers.host ?? 'localhost'}`,
    failsEntry: (...entryIds: readonly string[]) => call.failsEntry(...entryIds),
    gone: () => call.request.socket.destroyed,
  };
}

function readJson(call: Call) {
  try {
    const zipped = call.request.headers['content-encoding'] === 'gzip';
    const body = zipped
      ? gunzipSync(call.body, { maxOutputLength: MAX_UNPACKED_BYTES })
      : call.body;
    const input: unknown = JSON.parse(body.toString());
    if (isObject(input)) return input;
  } catch {
    // Refused below.
  }
  throw new AwsRefusal('SerializationException', 'The body is no JSON object.');
}
