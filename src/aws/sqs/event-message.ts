import { createHash } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import type { BufferedEvent, HeldContent } from '../../events/ports.ts';
import { cutText } from '../../lib/cut-text.ts';
import { readJson, writeJson } from '../../lib/json/exact-json.ts';
import { isTooDeep, MAX_LINE_DEPTH } from '../../lib/json/json-lines.ts';
import { isJsonObject, kindOf } from '../../lib/json-object.ts';
import { escapeForSqs } from './sqs-text.ts';

/** A taken event as the buffer's queue gets it. */
export interface EventMessage {
  readonly body: string;
  /** As SQS counts it. */
  readonly bytes: number;
  readonly deduplicationId: string;
  readonly groupId: string;
}

const VERSION = 1;
const ENCODING = 'gzip+base64';
/** A larger body is packed: SQS' price has a step there for every 64 KiB, and old queues end here. */
const PACK_FROM_BYTES = 262_144;
/** What would unpack to more is unreadable. */
const MAX_UNPACKED_BYTES = 33_554_432;

/**
 * The body is JSON: `{"v":1,"eventId","takenAt","event"}`, or, where that is larger than 256 KiB,
 * with the event's text in `content`, packed as `contentEncoding` says.
 */
export function toEventMessage(buffered: BufferedEvent): EventMessage {
  const { eventId, takenAtMs, event, deduplicationId } = buffered;
  const head = { v: VERSION, eventId, takenAt: new Date(takenAtMs).toISOString() };
  let body = escapeForSqs(writeJson({ ...head, event }, event));
  if (Buffer.byteLength(body) > PACK_FROM_BYTES) {
    const content = gzipSync(writeJson(event)).toString('base64');
    body = JSON.stringify({ ...head, contentEncoding: ENCODING, content });
  }
  return {
    body,
    bytes: Buffer.byteLength(body),
    deduplicationId: tokenOf(deduplicationId),
    groupId: groupOf(eventId),
  };
}

/**
 * What a message of the buffer's queue holds: an event that a reader took, or one in EventBridge's
 * envelope (`detail-type`, `detail`), as a rule of EventBridge sends it. Never throws.
 */
export function fromEventMessage(body: string): HeldContent {
  const unreadable = (reason: string) => ({ kind: 'unreadable', text: body, reason }) as const;
  try {
    const message = parse(body);
    if (!isJsonObject(message)) return unreadable('is no JSON object');
    if ('detail-type' in message) {
      const { detail } = message;
      return isJsonObject(detail)
        ? { kind: 'raw', event: detail }
        : unreadable('has a "detail-type" and no object in "detail"');
    }
    const { v, eventId, takenAt, contentEncoding, content } = message;
    if (v !== VERSION) {
      return unreadable(`has ${describe(v)} as its version; this process reads ${VERSION}`);
    }
    const takenAtMs = typeof takenAt === 'string' ? Date.parse(takenAt) : Number.NaN;
    if (typeof eventId !== 'string' || eventId === '' || Number.isNaN(takenAtMs)) {
      return unreadable('has no "eventId" or no time in "takenAt"');
    }
    const event =
      contentEncoding === undefined ? message['event'] : unpack(contentEncoding, content);
    if (!isJsonObject(event)) return unreadable('has no object in "event"');
    return { kind: 'taken', eventId, takenAtMs, event };
  } catch (error) {
    return unreadable(error instanceof Error ? error.message : 'cannot be read');
  }
}

function parse(text: string): unknown {
  if (isTooDeep(text)) throw new Error(`is nested deeper than ${MAX_LINE_DEPTH} levels`);
  try {
    return readJson(text);
  } catch {
    throw new Error('is not JSON');
  }
}

function unpack(encoding: unknown, content: unknown): unknown {
  if (encoding !== ENCODING) {
    throw new Error(`has the contentEncoding ${describe(encoding)}; known is "${ENCODING}"`);
  }
  if (typeof content !== 'string') throw new Error('has no text in "content"');
  let text: string;
  try {
    const bytes = Buffer.from(content, 'base64');
    text = gunzipSync(bytes, { maxOutputLength: MAX_UNPACKED_BYTES }).toString();
  } catch {
    throw new Error(`has a "content" that is no gzip, or unpacks to more than 32 MiB`);
  }
  return parse(text);
}

function describe(value: unknown): string {
  return typeof value === 'string' || typeof value === 'number'
    ? JSON.stringify(cutText(String(value), 40))
    : kindOf(value);
}

/**
 * Each event is a group of its own, so that none waits for another. It follows from the event alone:
 * in two groups a copy of it would not be recognised.
 */
function groupOf(eventId: string): string {
  return tokenOf(eventId);
}

/** SQS takes 1 to 128 characters without blanks. */
function tokenOf(id: string): string {
  return /^[!-~]{1,128}$/.test(id) ? id : createHash('sha256').update(id).digest('hex');
}
