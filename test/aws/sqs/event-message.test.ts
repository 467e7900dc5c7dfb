import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromEventMessage, toEventMessage } from '../../../src/aws/sqs/event-message.ts';
import type { RawEvent } from '../../../src/events/ports.ts';
import { readJson, writeJson } from '../../../src/lib/json/exact-json.ts';

const TAKEN_AT_MS = Date.parse('2026-01-02T03:04:05.678Z');

function messageFor(event: RawEvent, changes: { eventId?: string; deduplicationId?: string } = {}) {
  return toEventMessage({
    eventId: 'e-1',
    deduplicationId: 'e-1',
    takenAtMs: TAKEN_AT_MS,
    event,
    ...changes,
  });
}

const anyText = fc.string({ unit: 'binary', maxLength: 30 });
const anyEvent = fc.dictionary(
  anyText,
  fc.jsonValue({ stringUnit: 'binary', maxDepth: 4 }),
) as fc.Arbitrary<RawEvent>;

test('an event comes out of its message as it went in, whatever characters it has', () => {
  fc.assert(
    fc.property(anyEvent, (event) => {
      const { body, bytes } = messageFor(event);
      expect(bytes).toBe(Buffer.byteLength(body));
      // SQS takes the characters of XML 1.0 only.
      expect(body).not.toMatch(/[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u);
      const content = fromEventMessage(body);
      expect(content).toMatchObject({ kind: 'taken', eventId: 'e-1', takenAtMs: TAKEN_AT_MS });
      expect(content.kind === 'taken' && writeJson(content.event)).toBe(JSON.stringify(event));
    }),
  );
});

test('a number that JavaScript cannot hold keeps its digits', () => {
  const event = readJson('{"id":9007199254740993123,"list":[1e400]}') as RawEvent;
  const content = fromEventMessage(messageFor(event).body);
  expect(content.kind === 'taken' && writeJson(content.event)).toBe(
    '{"id":9007199254740993123,"list":[1e400]}',
  );
});

test('a large event is packed', () => {
  const event = { id: 'x', note: 'ü'.repeat(400_000) };
  const { body, bytes } = messageFor(event);
  expect(bytes).toBeLessThan(10_000);
  expect(fromEventMessage(body)).toMatchObject({ kind: 'taken', event });
});

test('ids that SQS refuses become a digest, always the same and different for different ones', () => {
  fc.assert(
    fc.property(anyText, anyText, (one, other) => {
      const idsOf = (id: string) => messageFor({}, { eventId: id, deduplicationId: id });
      const { deduplicationId, groupId } = idsOf(one);
      expect(deduplicationId).toMatch(/^[!-~]{1,128}$/);
      expect(groupId).toMatch(/^[!-~]{1,128}$/);
      expect(idsOf(one)).toMatchObject({ deduplicationId, groupId });
      expect(idsOf(other).deduplicationId === deduplicationId).toBe(one === other);
    }),
  );
});

test('the group follows from the event alone: a letter that is taken again stays in it', () => {
  const first = messageFor({ a: 1 });
  const again = messageFor({ a: 1 }, { deduplicationId: 'another' });
  expect(again.groupId).toBe(first.groupId);
  expect(again.deduplicationId).not.toBe(first.deduplicationId);
});

test('the envelope of EventBridge holds an event that nobody has filtered', () => {
  const envelope = {
    version: '0',
    'detail-type': 'Topic',
    source: 'aws.partner',
    detail: { a: 1 },
  };
  expect(fromEventMessage(JSON.stringify(envelope))).toEqual({ kind: 'raw', event: { a: 1 } });
});

const gzip = (text: string) => gzipSync(text).toString('base64');
const ours = (changes: object) =>
  JSON.stringify({ v: 1, eventId: 'e', takenAt: '2026-01-02T03:04:05Z', event: {}, ...changes });
const packed = (content: unknown, contentEncoding: unknown = 'gzip+base64') =>
  ours({ event: undefined, contentEncoding, content });

test.each<[body: string, reason: string]>([
  ['', 'is not JSON'],
  ['hello', 'is not JSON'],
  ['[1]', 'is no JSON object'],
  ['null', 'is no JSON object'],
  [`${'['.repeat(5000)}${']'.repeat(5000)}`, 'is nested deeper than 128 levels'],
  ['{"detail-type":"T"}', 'has a "detail-type" and no object in "detail"'],
  ['{"detail-type":"T","detail":"text"}', 'has a "detail-type" and no object in "detail"'],
  ['{}', 'has nothing as its version; this process reads 1'],
  [ours({ v: 2 }), 'has "2" as its version; this process reads 1'],
  [ours({ v: 0 }), 'has "0" as its version; this process reads 1'],
  [ours({ eventId: 7 }), 'has no "eventId" or no time in "takenAt"'],
  [ours({ takenAt: 'yesterday' }), 'has no "eventId" or no time in "takenAt"'],
  [ours({ event: [] }), 'has no object in "event"'],
  [ours({ event: undefined }), 'has no object in "event"'],
  [packed('AAAA'), 'has a "content" that is no gzip, or unpacks to more than 32 MiB'],
  [packed(7), 'has no text in "content"'],
  [packed('x', 'zstd'), 'has the contentEncoding "zstd"; known is "gzip+base64"'],
  [packed(gzip('no json')), 'is not JSON'],
  [
    packed(gzip(' '.repeat(40_000_000))),
    'has a "content" that is no gzip, or unpacks to more than 32 MiB',
  ],
])('message %# is unreadable, with the reason', (body, reason) => {
  expect(fromEventMessage(body)).toEqual({ kind: 'unreadable', text: body, reason });
});

test('no message throws', () => {
  fc.assert(
    fc.property(fc.oneof(anyText, fc.json({ stringUnit: 'binary' })), (body) => {
      expect(() => fromEventMessage(body)).not.toThrow();
    }),
  );
});
