import { createHash } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import type { DeadLetter, DeadLetterStage, RefusalCause } from '../../events/ports.ts';
import { cutText } from '../../lib/cut-text.ts';
import { readJson, writeJson } from '../../lib/json/exact-json.ts';
import { isTooDeep, MAX_LINE_DEPTH } from '../../lib/json/json-lines.ts';
import { escapeForSqs } from './sqs-text.ts';

/** A dead letter as SQS takes it. */
export interface LetterMessage {
  readonly body: string;
  /** At most ten, in the style of EventBridge's own dead letters. */
  readonly attributes: Readonly<Record<string, { DataType: string; StringValue: string }>>;
  /** As SQS counts it: the body and each attribute's name, type and value. */
  readonly bytes: number;
  readonly deduplicationId: string;
}

const ENCODING = 'gzip+base64';
/** What is larger is not packed, and nothing that unpacks to more is unpacked. */
export const MAX_UNPACKED_BYTES = 33_554_432;
/** The letter's own level, and that of its members. */
const MAX_DEPTH = MAX_LINE_DEPTH + 2;
const MAX_ERROR_CHARACTERS = 1024;
const STAGES: ReadonlySet<unknown> = new Set<DeadLetterStage>([
  'read',
  'filter',
  'transform',
  'validate',
  'publish',
]);
const CAUSES: ReadonlySet<unknown> = new Set<RefusalCause>(['entry', 'bus', 'retries']);

type Envelope = Omit<DeadLetter, 'originalEvent' | 'transformedEvent'>;
type Content = Pick<DeadLetter, 'originalEvent' | 'transformedEvent'>;

/** What reading messages may cost. */
export interface ReadingBudget {
  /** What one letter may unpack to. */
  readonly maxUnpackedBytes: number;
  /** Of all letters together; every message takes its share. */
  leftBytes: number;
}

/**
 * The message for a letter, at most `maxBytes` large. The body is the letter as JSON; one that is
 * too large for that has its events in `content` instead, packed as `contentEncoding` says; one
 * that is too large even so keeps the beginning of the original event's text, with
 * `truncated: true`. Both are told by attributes as well: CONTENT_ENCODING and PAYLOAD_TRUNCATED.
 */
export async function toMessage(
  letter: DeadLetter,
  maxBytes: number,
  maxUnpackedBytes: number = MAX_UNPACKED_BYTES,
): Promise<LetterMessage> {
  const { originalEvent, transformedEvent, ...envelope } = letter;
  const original = { originalEvent: originalEvent ?? null };
  const content: Content = { ...original, transformedEvent };
  const whole = json({ ...content, ...envelope }, originalEvent);
  // The transformed event can be made again from the original one.
  const isDeep = isTooDeep(whole, MAX_DEPTH);
  const text = isDeep ? json({ ...original, ...envelope }, originalEvent) : whole;
  const plain = message(letter, text);
  if (plain.bytes <= maxBytes) return plain;

  for (const packable of isDeep ? [original] : [content, original]) {
    const unpacked = json(packable, originalEvent);
    if (Buffer.byteLength(unpacked) > maxUnpackedBytes) continue;
    const packed = await promisify(gzip)(unpacked);
    const body = json({
      ...envelope,
      contentEncoding: ENCODING,
      content: packed.toString('base64'),
    });
    const small = message(letter, body, { CONTENT_ENCODING: ENCODING });
    if (small.bytes <= maxBytes) return small;
  }
  return cut(letter, envelope, maxBytes);
}

/**
 * The letter of a message's body; `undefined` when it is not one of ours, as is one that nests
 * deeper or unpacks to more than any of ours.
 */
export async function fromMessage(
  body: string,
  budget: ReadingBudget = { maxUnpackedBytes: MAX_UNPACKED_BYTES, leftBytes: 0 },
): Promise<DeadLetter | undefined> {
  budget.leftBytes -= body.length;
  try {
    const outer = readShallow(body);
    if (!isEnvelope(outer)) return undefined;
    const encoding = outer['contentEncoding'];
    const inner = encoding === undefined ? outer : await unpack(encoding, outer['content'], budget);
    if (!isContent(inner)) return undefined;
    const { originalEvent, transformedEvent } = inner;
    const { cause, expressionVersion, schemaVersion, truncated } = outer;
    return {
      originalEvent,
      error: outer.error,
      timestamp: outer.timestamp,
      retryAttempt: outer.retryAttempt,
      stage: outer.stage,
      errorCode: outer.errorCode,
      attempts: outer.attempts,
      cause: cause !== undefined && CAUSES.has(cause) ? cause : undefined,
      eventId: outer.eventId,
      firstSeen: outer.firstSeen,
      expressionVersion: typeof expressionVersion === 'string' ? expressionVersion : undefined,
      schemaVersion: typeof schemaVersion === 'string' ? schemaVersion : undefined,
      truncated: truncated === true ? truncated : undefined,
      transformedEvent,
    };
  } catch {
    return undefined;
  }
}

function message(
  letter: DeadLetter,
  body: string,
  flags: Readonly<Record<string, string>> = {},
): LetterMessage {
  const texts: Record<string, string> = {
    ERROR_CODE: letter.errorCode,
    ERROR_MESSAGE: letter.error,
    STAGE: letter.stage,
    EVENT_ID: letter.eventId,
    FIRST_SEEN: letter.firstSeen,
    ...(letter.cause === 'retries' ? { EXHAUSTED_RETRY_CONDITION: 'MaximumRetryAttempts' } : {}),
    ...flags,
  };
  const attributes: Record<string, { DataType: string; StringValue: string }> = {
    RETRY_ATTEMPTS: { DataType: 'Number', StringValue: String(letter.retryAttempt) },
  };
  for (const [name, text] of Object.entries(texts)) {
    const value = attributeValue(text);
    // SQS refuses an empty one.
    if (value !== '') attributes[name] = { DataType: 'String', StringValue: value };
  }
  let bytes = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue }] of Object.entries(attributes)) {
    bytes += name.length + DataType.length + Buffer.byteLength(StringValue);
  }
  return { body, attributes, bytes, deduplicationId: deduplicationId(letter, body) };
}

function cut(letter: DeadLetter, envelope: Envelope, maxBytes: number): LetterMessage {
  const { originalEvent } = letter;
  const text = typeof originalEvent === 'string' ? originalEvent : json(originalEvent ?? null);
  const flags = { PAYLOAD_TRUNCATED: 'true' };
  const withText = (length: number) =>
    message(
      letter,
      json({
        originalEvent: cutText(text, length),
        ...envelope,
        error: cutText(envelope.error, MAX_ERROR_CHARACTERS),
        truncated: true,
        originalBytes: Buffer.byteLength(text),
      }),
      flags,
    );
  // A character takes 1 to 6 bytes in the body.
  let fits = 0;
  let tooLong = Math.min(text.length, maxBytes) + 1;
  while (tooLong - fits > 64) {
    const middle = Math.floor((fits + tooLong) / 2);
    if (withText(middle).bytes <= maxBytes) fits = middle;
    else tooLong = middle;
  }
  return withText(fits);
}

function json(value: unknown, event: unknown = value): string {
  return escapeForSqs(writeJson(value, event));
}

function attributeValue(text: string): string {
  return cutText(text, MAX_ERROR_CHARACTERS).replaceAll(
    /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/gu,
    '\uFFFD',
  );
}

/**
 * The event's id and a digest of the letter, at most 128 characters without blanks. A letter that
 * is sent again has the same one; that of a replayed event which failed again has not, or SQS
 * would swallow it within five minutes of the first.
 */
function deduplicationId({ eventId }: DeadLetter, body: string): string {
  const digest = createHash('sha256').update(body).digest('hex');
  return /^[!-~]{1,63}$/.test(eventId) ? `${eventId}:${digest}` : digest;
}

async function unpack(
  encoding: unknown,
  content: unknown,
  budget: ReadingBudget,
): Promise<unknown> {
  if (encoding !== ENCODING || typeof content !== 'string') return undefined;
  const { maxUnpackedBytes: maxOutputLength } = budget;
  const unpacked = await promisify(gunzip)(Buffer.from(content, 'base64'), {
    maxOutputLength,
  }).catch((error: unknown) => {
    budget.leftBytes -= maxOutputLength;
    throw error;
  });
  budget.leftBytes -= unpacked.length;
  return readShallow(unpacked.toString());
}

/** What is recursive breaks at some thousand levels: reading, writing, schemas, expressions. */
function readShallow(text: string): unknown {
  return isTooDeep(text, MAX_DEPTH) ? undefined : readJson(text);
}

function isEnvelope(value: unknown): value is Envelope & Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) return false;
  const fields: Readonly<Record<string, unknown>> = { ...value };
  const texts = ['error', 'timestamp', 'errorCode', 'eventId', 'firstSeen'];
  return (
    texts.every((name) => typeof fields[name] === 'string') &&
    ['retryAttempt', 'attempts'].every((name) => Number.isInteger(fields[name])) &&
    STAGES.has(fields['stage'])
  );
}

function isContent(value: unknown): value is Content {
  return typeof value === 'object' && value !== null && 'originalEvent' in value;
}
