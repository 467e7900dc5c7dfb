import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fromMessage, toMessage } from '../../../src/aws/sqs/letter-message.ts';
import type { DeadLetter } from '../../../src/events/ports.ts';

/** Every character there is, those that SQS refuses and halves of pairs included. */
const anyText = fc.string({ unit: 'binary', maxLength: 300 });
const awkward = fc.constantFrom('\uFFFE', '\uFFFF', '\uD800', '\u0000', '"', '\\', '🎧', '漢');
const payload = fc.oneof(
  anyText,
  fc.json().map((text): unknown => JSON.parse(text)),
  fc.tuple(awkward, fc.integer({ min: 0, max: 20_000 })).map(([one, times]) => one.repeat(times)),
  fc.array(fc.tuple(awkward, anyText), { maxLength: 60 }),
);

const letter: fc.Arbitrary<DeadLetter> = fc.record(
  {
    originalEvent: payload,
    error: anyText,
    timestamp: fc.constant('2026-01-02T03:04:05.678Z'),
    retryAttempt: fc.nat(),
    stage: fc.constantFrom('read', 'filter', 'transform', 'validate', 'publish'),
    errorCode: fc.constantFrom('malformed_line', 'eventbridge_throttled'),
    attempts: fc.nat(),
    cause: fc.constantFrom('entry', 'bus', 'retries'),
    eventId: fc.oneof(fc.uuid(), anyText),
    firstSeen: fc.constant('2026-01-02T03:04:00.000Z'),
    expressionVersion: fc.constant('x1'),
    schemaVersion: fc.constant('s1'),
    transformedEvent: payload,
  },
  {
    requiredKeys: [
      'originalEvent',
      'error',
      'timestamp',
      'retryAttempt',
      'stage',
      'errorCode',
      'attempts',
      'eventId',
      'firstSeen',
    ],
  },
);

const refused = /[^\t\n\r\u{20}-\u{D7FF}\u{E000}-\u{FFFD}\u{10000}-\u{10FFFF}]/u;

test('no message is above the limit or has a character that SQS refuses', async () => {
  await fc.assert(
    fc.asyncProperty(letter, fc.integer({ min: 8192, max: 40_000 }), async (given, maxBytes) => {
      const { body, attributes, bytes, deduplicationId } = await toMessage(given, maxBytes);
      let counted = Buffer.byteLength(body);
      for (const [name, { DataType, StringValue }] of Object.entries(attributes)) {
        counted += Buffer.byteLength(name + DataType + StringValue);
        expect(StringValue).not.toMatch(refused);
        expect(StringValue).not.toBe('');
      }
      expect(counted).toBe(bytes);
      expect(bytes).toBeLessThanOrEqual(maxBytes);
      expect(body).not.toMatch(refused);
      expect(Object.keys(attributes).length).toBeLessThanOrEqual(10);
      expect(deduplicationId).toMatch(/^[!-~]{1,128}$/);
    }),
  );
});

test('a letter that was not cut is the same when it comes back', async () => {
  await fc.assert(
    fc.asyncProperty(letter, fc.integer({ min: 8192, max: 1_048_576 }), async (given, maxBytes) => {
      const { body, attributes } = await toMessage(given, maxBytes);
      const back = await fromMessage(body);
      if (attributes['PAYLOAD_TRUNCATED'] === undefined) {
        const { transformedEvent, ...essential } = JSON.parse(JSON.stringify(given)) as DeadLetter;
        expect(back).toMatchObject(essential);
        // Left out when only the original event fits: it can be made again.
        if (back?.transformedEvent !== undefined) {
          expect(back.transformedEvent).toEqual(transformedEvent);
        }
      } else {
        expect(back).toMatchObject({ truncated: true, eventId: given.eventId });
      }
    }),
  );
});

test('what is cut is not cut inside of a character', async () => {
  for (let shift = 0; shift < 8; shift += 1) {
    const original = `${'x'.repeat(shift)}${Array.from({ length: 9000 }, () => String.fromCodePoint(0x1f300 + Math.floor(Math.random() * 500))).join('')}`;
    const given: DeadLetter = {
      originalEvent: original,
      error: `${'x'.repeat(shift)}${'🎧'.repeat(2000)}`,
      timestamp: '2026-01-02T03:04:05.678Z',
      retryAttempt: 0,
      stage: 'read',
      errorCode: 'malformed_line',
      attempts: 1,
      eventId: 'i',
      firstSeen: '2026-01-02T03:04:00.000Z',
    };
    const { body, attributes } = await toMessage(given, 8192);
    const back = await fromMessage(body);
    expect(back?.truncated).toBe(true);
    expect(back?.error.isWellFormed()).toBe(true);
    expect(original.startsWith(String(back?.originalEvent))).toBe(true);
    expect(String(back?.originalEvent).isWellFormed()).toBe(true);
    expect(attributes['ERROR_MESSAGE']?.StringValue).not.toContain('\uFFFD');
  }
});

test('what unpacks to more than any letter is not unpacked', async () => {
  const { gzipSync } = await import('node:zlib');
  const bomb = gzipSync(JSON.stringify({ originalEvent: 'x'.repeat(40_000_000) }));
  const body = JSON.stringify({
    error: 'e',
    timestamp: 't',
    retryAttempt: 0,
    stage: 'read',
    errorCode: 'c',
    attempts: 0,
    eventId: 'i',
    firstSeen: 'f',
    contentEncoding: 'gzip+base64',
    content: bomb.toString('base64'),
  });
  expect(await fromMessage(body)).toBeUndefined();
});
