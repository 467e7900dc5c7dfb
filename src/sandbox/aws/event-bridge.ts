import { randomUUID } from 'node:crypto';
import type { CloudEvent } from '../cloud.ts';
import { type AwsOperation, AwsRefusal, isObject, type JsonObject, textOf } from './answers.ts';
import type { Recent } from './recent.ts';

const MAX_ENTRIES = 10;
/** "Less than 1 MB"; the smaller reading of it. */
const REQUEST_BYTES = 1_000_000;
const MAX_DEPTH = 1000;

export interface SandboxEventBridge {
  readonly operations: Readonly<Record<string, AwsOperation>>;
  createBus(name: string): void;
  deleteBus(name: string): void;
}

export interface SandboxEventBridgeOptions {
  readonly region: string;
  readonly account: string;
  /** Names, and ARNs of other accounts' buses whose policy lets this account put events. */
  readonly buses: Iterable<string>;
  readonly events: Recent<CloudEvent>;
  /** Called with each accepted event, with its parsed detail. */
  readonly onAccepted: (event: CloudEvent, detail: JsonObject) => void;
}

/** EventBridge, JSON 1.1 (`AWSEvents.<operation>`), with the refusals that AWS was seen to make. */
export function createEventBridge(options: SandboxEventBridgeOptions): SandboxEventBridge {
  const buses = new Set(['default', ...options.buses]);
  const arnOf = (name: string) =>
    `arn:aws:events:${options.region}:${options.account}:event-bus/${name}`;

  const isForeign = (bus: string) => bus.startsWith('arn:');
  /** The name of one's own bus; the ARN of a bus that belongs to another account or region. */
  function busOf(nameOrArn: string): string {
    const name = busName(nameOrArn);
    return isForeign(nameOrArn) && nameOrArn !== arnOf(name) ? nameOrArn : name;
  }

  function putEntry(entry: JsonObject): JsonObject {
    const source = textOf(entry, 'Source') ?? '';
    const detailType = textOf(entry, 'DetailType') ?? '';
    const detailText = textOf(entry, 'Detail') ?? '';
    for (const [name, value] of [
      ['Source', source],
      ['DetailType', detailType],
      ['Detail', detailText],
    ] as const) {
      if (value === '') return invalid(name, `${name} is a required argument.`);
    }
    if (detailType.length > 128) return invalid('DetailType', 'DetailType is too long.');
    if (source.startsWith('aws.')) {
      const ErrorMessage = 'Not authorized for the source.';
      return { ErrorCode: 'NotAuthorizedForSourceException', ErrorMessage };
    }
    const detail = parse(detailText);
    if (!isObject(detail) || isTooMuch(detailText)) {
      return { ErrorCode: 'MalformedDetail', ErrorMessage: 'Detail is malformed.' };
    }
    const asked = textOf(entry, 'EventBusName') ?? 'default';
    const bus = busOf(asked);
    if (isForeign(bus) && !buses.has(bus)) {
      return { ErrorCode: 'AccessDeniedException', ErrorMessage: notAllowed('PutEvents', bus) };
    }
    const eventId = randomUUID();
    // A bus that is not there takes everything, and nothing comes of it.
    if (!buses.has(bus)) return { EventId: eventId };
    const { Time, TraceHeader, Resources } = entry;
    const event: CloudEvent = {
      eventId,
      bus,
      source,
      detailType,
      detail: detailText,
      resources: Array.isArray(Resources) ? Resources : [],
      receivedAt: Date.now(),
      ...(typeof Time === 'number' ? { time: Time } : {}),
      ...(typeof TraceHeader === 'string' ? { traceHeader: TraceHeader } : {}),
    };
    options.events.push(event);
    options.onAccepted(event, detail);
    return { EventId: eventId };
  }

  return {
    operations: {
      PutEvents(input, call) {
        const entries = entriesOf(input);
        let failed = 0;
        const results = entries.map((entry) => {
          const fault = call.failsEntry(...namesOf(entry));
          const result =
            fault === undefined
              ? putEntry(entry)
              : { ErrorCode: fault.code, ErrorMessage: fault.message ?? 'A fault of the sandbox' };
          if ('ErrorCode' in result) failed += 1;
          return result;
        });
        return { FailedEntryCount: failed, Entries: results };
      },

      DescribeEventBus(input) {
        const name = busOf(textOf(input, 'Name') ?? 'default');
        // Even where one may put events.
        if (isForeign(name)) {
          throw new AwsRefusal('AccessDeniedException', notAllowed('DescribeEventBus', name));
        }
        if (!buses.has(name)) {
          throw new AwsRefusal('ResourceNotFoundException', `Event bus ${name} does not exist.`);
        }
        return { Name: name, Arn: arnOf(name) };
      },

      CreateEventBus(input) {
        const name = textOf(input, 'Name') ?? '';
        if (!/^[\w./-]{1,256}$/.test(name)) {
          throw new AwsRefusal('ValidationException', 'Name of the event bus is not valid.');
        }
        if (buses.has(name)) {
          throw new AwsRefusal(
            'ResourceAlreadyExistsException',
            `Event bus ${name} already exists.`,
          );
        }
        buses.add(name);
        return { EventBusArn: arnOf(name) };
      },
    },
    createBus: (name) => void buses.add(name),
    deleteBus: (name) => void buses.delete(name),
  };
}

function entriesOf(input: JsonObject): readonly JsonObject[] {
  const { Entries } = input;
  if (!Array.isArray(Entries) || !Entries.every(isObject)) {
    throw constraint('entries', 'Member must not be null');
  }
  if (Entries.length === 0) {
    throw constraint('entries', 'Member must have length greater than or equal to 1');
  }
  if (Entries.length > MAX_ENTRIES) {
    throw constraint('entries', `Member must have length less than or equal to ${MAX_ENTRIES}`);
  }
  let bytes = 0;
  for (const entry of Entries) bytes += bytesOf(entry);
  if (bytes >= REQUEST_BYTES) {
    const text = 'Total size of the entries in the request is over the limit.';
    throw new AwsRefusal('ValidationException', text);
  }
  return Entries;
}

/** The size of an entry by AWS' published code; throws for members that break their own limit. */
function bytesOf(entry: JsonObject): number {
  let bytes = entry['Time'] === undefined ? 0 : 14;
  for (const name of ['Source', 'DetailType', 'Detail'] as const) {
    bytes += Buffer.byteLength(textOf(entry, name) ?? '');
  }
  const { Resources, TraceHeader, EventBusName } = entry;
  for (const resource of Array.isArray(Resources) ? Resources : []) {
    if (typeof resource !== 'string' || resource.length > 2048) {
      throw constraint('resources', 'Member must have length less than or equal to 2048');
    }
    bytes += Buffer.byteLength(resource);
  }
  if (typeof TraceHeader === 'string' && (TraceHeader === '' || TraceHeader.length > 500)) {
    throw constraint('traceHeader', 'Member must have length between 1 and 500');
  }
  if (typeof EventBusName === 'string' && !/^[\w.:/-]{1,1600}$/.test(EventBusName)) {
    throw constraint('eventBusName', 'Member must satisfy regular expression pattern');
  }
  return bytes;
}

function constraint(member: string, text: string): AwsRefusal {
  const prefix = `1 validation error detected: Value at '${member}' failed to satisfy constraint: `;
  return new AwsRefusal('ValidationException', prefix + text);
}

function invalid(name: string, reason: string): JsonObject {
  const ErrorMessage = `Parameter ${name} is not valid. Reason: ${reason}`;
  return { ErrorCode: 'InvalidArgument', ErrorMessage };
}

/** What a fault rule may know an event by. */
function namesOf({ Source, DetailType, Resources }: JsonObject): readonly string[] {
  const resources: unknown[] = Array.isArray(Resources) ? Resources : [];
  const names = [Source, DetailType, ...resources].filter((name) => typeof name === 'string');
  // `/genesys/interactions/<id>`
  return [...names, ...names.map((name) => name.slice(name.lastIndexOf('/') + 1))];
}

/** The last part of an ARN, or the name itself. */
function busName(nameOrArn: string): string {
  return nameOrArn.startsWith('arn:')
    ? nameOrArn.slice(nameOrArn.indexOf('event-bus/') + 'event-bus/'.length)
    : nameOrArn;
}

function notAllowed(operation: string, arn: string): string {
  return `User is not authorized to perform: events:${operation} on resource: ${arn} because no resource-based policy allows the events:${operation} action`;
}

/** AWS takes up to 1,000 levels, and whole numbers of up to 64 bits. */
function isTooMuch(json: string): boolean {
  const mayBeDeep = json.length > 2 * MAX_DEPTH;
  if (!mayBeDeep && !/\d{19}/.test(json)) return false;
  const bare = json.replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"/gs, '""');
  let depth = 0;
  for (const [bracket] of bare.matchAll(/[[\]{}]/g)) {
    depth += bracket === '[' || bracket === '{' ? 1 : -1;
    if (depth > MAX_DEPTH) return true;
  }
  const integers = bare.match(/(?<![\d.eE+-])-?\d{19,}(?![\d.eE])/g) ?? [];
  return integers.some((digits) => BigInt.asIntN(64, BigInt(digits)) !== BigInt(digits));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
