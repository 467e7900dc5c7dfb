import type { Readable } from 'node:stream';
import { v4, v5 } from 'uuid';
import { UpstreamError } from '../../errors.ts';
import type { EventSource, StreamItem } from '../../events/ports.ts';
import { writeJson } from '../../lib/json/exact-json.ts';
import { createJsonLinesParser, type JsonLine } from '../../lib/json/json-lines.ts';
import { isJsonObject } from '../../lib/json-object.ts';
import type { GenesysClient } from '../client.ts';
import { noAnswer } from '../failures.ts';
import { pathSegment } from '../path-segment.ts';
import { receivedChunks } from '../received-chunks.ts';
import { record, text } from '../shape.ts';

export interface EventSourceOptions {
  /**
   * One of several readers: it has a subscription of its own, named after it, with an id that is the
   * same after a restart. Unique in the organisation.
   */
  readonly readerName?: string | undefined;
  /** Not one byte for this long and the stream counts as dead, in milliseconds. */
  readonly livenessMs: number;
  /** A longer line is reported as malformed. */
  readonly maxLineBytes: number;
}

const SUBSCRIPTIONS = '/api/v2/events/subscriptions';
const NAME = 'high-priority-interactions';
/** Of the ids that follow from a subscription's name (RFC 9562, version 5); any constant will do. */
const NAMESPACE = '5f3e1a5c-0d0b-4b53-9c58-8f0d6f5c9a11';

/** `POST /api/v2/events/subscriptions` and `GET …/<id>/events`, an endless body of JSON lines. */
export function createEventSource(client: GenesysClient, options: EventSourceOptions): EventSource {
  const { readerName } = options;
  const name = readerName === undefined ? NAME : `${NAME}-${readerName}`;

  return {
    async subscribe(signal) {
      const id = readerName === undefined ? v4() : v5(name, NAMESPACE);
      const { value, tries } = await client.call({
        operation: 'create_subscription',
        method: 'POST',
        path: SUBSCRIPTIONS,
        scope: 'event:subscribe',
        urgency: 'stream',
        body: {
          id,
          name,
          description: 'Interactions for the event bus',
          resourceTypes: ['interaction'],
          eventTypes: ['created', 'updated'],
        },
        // The id is ours: a repeat after a lost answer makes no second one, and is answered 409.
        idempotent: true,
        alsoFine: [409],
        read: (body, status) =>
          status === 409 ? undefined : text(record(body, 'the subscription')['id'], 'id'),
        signal,
      });
      if (value !== undefined) return value;
      // It is there: by the try before, or by the life before.
      if (tries > 1 || readerName !== undefined) return id;
      throw new UpstreamError(
        `Genesys has a subscription named ${NAME} already; give its id in EVENT_SUBSCRIPTION_ID, or delete it.`,
        { code: 'genesys_refused', kind: 'reject', service: 'genesys', status: 409 },
      );
    },

    async stream(subscriptionId, signal) {
      const path = `${SUBSCRIPTIONS}/${pathSegment(subscriptionId, 'subscription')}/events`;
      const body = await client.open({
        operation: 'stream_events',
        path,
        scope: 'event:subscribe',
        urgency: 'stream',
        silenceMs: options.livenessMs,
        signal,
      });
      return items(body, path, signal);
    },
  };

  function items(body: Readable, path: string, signal: AbortSignal) {
    // Bytes are collected from now on, not from the first read on.
    const chunks = receivedChunks(body, options.maxLineBytes);
    // A bad line is somebody's event: its letter has all of it.
    const { maxLineBytes } = options;
    const parser = createJsonLinesParser({ maxLineBytes, maxErrorBytes: maxLineBytes });
    async function* read(): AsyncGenerator<readonly StreamItem[], void, undefined> {
      try {
        for await (const chunk of chunks) {
          signal.throwIfAborted();
          yield parser.push(chunk).flatMap(itemsOf);
        }
      } catch (error) {
        signal.throwIfAborted();
        throw streamFailure(path, error);
      }
      signal.throwIfAborted();
      const rest = parser.end(true).flatMap(itemsOf);
      if (rest.length > 0) yield rest;
    }
    return read();
  }

  function streamFailure(path: string, error: unknown): Error {
    const call = { operation: 'stream_events', method: 'GET', path, tries: 1, secrets: [] };
    const failure = noAnswer(call, error);
    if (!(failure instanceof UpstreamError) || !failure.timedOut) return failure;
    return new UpstreamError(
      `The event stream (GET ${path}) was silent for ${options.livenessMs} ms; events and keep-alives come more often.`,
      { code: 'genesys_stream_silent', kind: 'retry', service: 'genesys', cause: error },
    );
  }
}

function itemsOf(line: JsonLine): StreamItem[] {
  if (!line.ok) return [{ kind: 'malformed', text: line.text, reason: line.reason }];
  return Array.isArray(line.value) ? line.value.map(itemOf) : [itemOf(line.value)];
}

function itemOf(value: unknown): StreamItem {
  if (isJsonObject(value)) return { kind: 'event', event: value };
  return { kind: 'malformed', text: writeJson(value), reason: 'not an object' };
}
