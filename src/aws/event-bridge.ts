import {
  DescribeEventBusCommand,
  EventBridgeClient,
  PutEventsCommand,
  type PutEventsResultEntry,
} from '@aws-sdk/client-eventbridge';
import { UpstreamError } from '../errors.ts';
import type { BusEntry, EntryLimits, EventBus, PutOutcome } from '../events/ports.ts';
import { cutText } from '../lib/cut-text.ts';
import { type AwsConnectionOptions, createConnection } from './sdk/connection.ts';
import { createDirectCall } from './sdk/direct-call.ts';

export interface EventBusOptions extends AwsConnectionOptions {
  /** Name or ARN. */
  readonly busName: string;
  /** AWS' limit for the sum of the entries' sizes: 1 MB, and 262,144 where the old one holds. */
  readonly maxBytes: number;
}

type WithoutMessage<T> = T extends { accepted: false } ? Omit<T, 'accepted' | 'message'> : never;
type Refusal = WithoutMessage<PutOutcome>;

/** ErrorCode of an entry → what becomes of it; others are taken for passing ones. */
const REFUSALS: ReadonlyMap<string, Refusal> = new Map([
  ['ThrottlingException', passing('eventbridge_throttled', true)],
  ['AccessDeniedException', systemic('eventbridge_access_denied')],
  ['NotAuthorizedForSourceException', systemic('eventbridge_access_denied')],
  ['NotAuthorizedForDetailTypeException', systemic('eventbridge_access_denied')],
  ['InvalidAccountIdException', systemic('eventbridge_invalid_account')],
  ['InvalidArgument', rejected('eventbridge_invalid_argument', 'entry')],
  ['MalformedDetail', rejected('eventbridge_malformed_detail', 'entry')],
  ['RedactionFailure', rejected('eventbridge_redaction_failure', 'bus')],
]);
const PASSING = passing('eventbridge_unavailable', false);
const RESERVED = rejected('eventbridge_source_reserved', 'entry');

const UNSEEN =
  'events:DescribeEventBus is not granted for this bus (that of another account never grants it): only publishing shows whether it is there';
/** A refused look is not repeated sooner, in milliseconds: each is an alarm in somebody's audit log. */
const DENIED_LOOK_MS = 600_000;

/**
 * EventBridge's classic custom bus. The SDK makes one try per call: the publisher repeats, per
 * entry, and knows an outage from a bad event.
 *
 * PutEvents has no id of ours and no memory: what is sent twice is there twice, so an event's id
 * belongs in its detail. Order is not kept.
 */
export function createEventBus(options: EventBusOptions): EventBus & { close(): void } {
  const connection = createConnection({ ...options, maxAttempts: 1 });
  const client = new EventBridgeClient(connection.clientOptions);
  const putEvents = createDirectCall({
    client,
    command: PutEventsCommand,
    signingName: 'events',
    target: 'AWSEvents.PutEvents',
    dispatcher: connection.dispatcher,
  });
  const target = `bus "${options.busName}"`;
  let deniedAtMs = -Infinity;

  return {
    maxEntries: 10,
    // What a policy can tell apart.
    groupOf: ({ source, detailType }) => `${source}\n${detailType}`,
    ...entryLimits(options.maxBytes),

    async put(entries, signal) {
      const call = { service: 'eventbridge', operation: 'PutEvents', target } as const;
      const body = JSON.stringify({
        Entries: entries.map((entry) => ({
          EventBusName: options.busName,
          Source: entry.source,
          DetailType: entry.detailType,
          Detail: entry.detail,
          Time: entry.time.getTime() / 1000,
          Resources: entry.resources,
          TraceHeader: entry.traceHeader,
        })),
      });
      const answer = await connection.call(call, signal, ({ abortSignal }) =>
        putEvents(body, abortSignal),
      );
      const results = resultsOf(answer);
      if (results.length !== entries.length) {
        throw new UpstreamError(
          `EventBridge answered PutEvents with ${results.length} results for ${entries.length} entries`,
          { service: 'eventbridge', code: 'eventbridge_unavailable', kind: 'retry' },
        );
      }
      return results.map((result, index) => outcomeOf(result, entries[index]));
    },

    async check(signal) {
      const call = { service: 'eventbridge', operation: 'DescribeEventBus', target } as const;
      const command = new DescribeEventBusCommand({ Name: options.busName });
      if (performance.now() - deniedAtMs < DENIED_LOOK_MS) return UNSEEN;
      try {
        await connection.call(call, signal, (http) => client.send(command, http));
        return undefined;
      } catch (error) {
        if (!isDenied(error)) throw error;
        deniedAtMs = performance.now();
        return UNSEEN;
      }
    },

    close() {
      client.destroy();
      connection.close();
    },
  };
}

function resultsOf(answer: unknown): readonly PutEventsResultEntry[] {
  const { Entries } = (answer ?? {}) as { readonly Entries?: unknown };
  return Array.isArray(Entries) ? (Entries as PutEventsResultEntry[]) : [];
}

/** In AWS' own words; a proxy's 403 says nothing about the bus. */
function isDenied(error: unknown): boolean {
  return error instanceof UpstreamError && error.missingPermission === 'events:DescribeEventBus';
}

/** @param maxBatchBytes AWS' limit, in bytes: the sum of the entries' sizes must be less. */
export function entryLimits(maxBatchBytes: number): EntryLimits {
  return { maxBytes: maxBatchBytes - 1, bytesOf: entryBytes };
}

/** AWS' own formula; it leaves out TraceHeader, which we count to be on the safe side. */
function entryBytes(entry: BusEntry): number {
  const time = 14;
  let bytes = time + Buffer.byteLength(entry.source) + Buffer.byteLength(entry.detailType);
  bytes += Buffer.byteLength(entry.detail);
  for (const resource of entry.resources) bytes += Buffer.byteLength(resource);
  if (entry.traceHeader !== undefined) bytes += Buffer.byteLength(entry.traceHeader);
  return bytes;
}

function outcomeOf(result: PutEventsResultEntry, entry: BusEntry | undefined): PutOutcome {
  const { EventId, ErrorCode, ErrorMessage } = result;
  if (ErrorCode === undefined && EventId !== undefined) {
    return { accepted: true };
  }
  const refusal = isReserved(ErrorCode, entry)
    ? RESERVED
    : (REFUSALS.get(ErrorCode ?? '') ?? PASSING);
  const text = `${ErrorCode ?? 'No EventId'}: ${ErrorMessage ?? 'no reason given'}`;
  return { accepted: false, ...refusal, message: cutText(text, 1024) };
}

/** What nobody but AWS may publish: no permission will ever help. */
function isReserved(code: string | undefined, entry: BusEntry | undefined): boolean {
  return code === 'NotAuthorizedForSourceException' && entry?.source.startsWith('aws.') === true;
}

function passing(code: string, throttled: boolean): Refusal {
  return { code, kind: 'retry', throttled };
}

function systemic(code: string): Refusal {
  return { code, kind: 'systemic', throttled: false };
}

function rejected(code: string, fault: 'entry' | 'bus'): Refusal {
  return { code, kind: 'reject', fault };
}
