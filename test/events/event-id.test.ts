import fc from 'fast-check';
import { validate, version } from 'uuid';
import { expect, test } from 'vitest';
import { eventIdOf, eventIdOfContent, keyOfEvent } from '../../src/events/event-id.ts';

const event = { id: 'i-1', createdTime: '2026-11-30T10:00:00.000Z', eventType: 'created' };

// Text with blanks, separators, umlauts and halves of characters, of any length; and numbers.
const said = fc.oneof(
  fc.string({ unit: 'binary', minLength: 1, maxLength: 300 }),
  fc
    .array(fc.constantFrom(' ', '"', ',', '\\', '1', 'ä', '\ud800', '\udfff', '\ufffd'), {
      minLength: 1,
      maxLength: 5,
    })
    .map((parts) => parts.join('')),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0),
);
const identity = fc.record({
  id: said,
  createdTime: said,
  eventType: fc.oneof(said, fc.constant('')),
});

test('the same interaction, time and kind make the same event, whatever else it says', () => {
  fc.assert(
    fc.property(identity, fc.jsonValue(), (parts, payload) => {
      const key = keyOfEvent(parts);
      expect(key).toMatch(/^\S+ \S+ [0-9a-f]{64}$/);
      expect(keyOfEvent({ payload, ...structuredClone(parts) })).toBe(key);
    }),
  );
});

test('different ones are never taken for each other', () => {
  fc.assert(
    fc.property(identity, identity, (one, two) => {
      const same = (['id', 'createdTime', 'eventType'] as const).every(
        (name) => one[name] === two[name],
      );
      expect(keyOfEvent(one) === keyOfEvent(two)).toBe(same);
    }),
  );
});

test('what differs at the end of a long part, or where one part begins, differs', () => {
  const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 400 });
  fc.assert(
    fc.property(text, text, fc.constantFrom('id', 'createdTime', 'eventType'), (a, b, name) => {
      const whole = keyOfEvent({ ...event, [name]: a + b });
      expect(keyOfEvent({ ...event, [name]: `${a}${b}x` })).not.toBe(whole);
      expect(keyOfEvent({ id: a, createdTime: b + a, eventType: b })).not.toBe(
        keyOfEvent({ id: a + b, createdTime: a, eventType: b }),
      );
    }),
  );
});

test('a number and the text of its digits are two; no kind is none', () => {
  expect(keyOfEvent({ ...event, id: 1 })).not.toBe(keyOfEvent({ ...event, id: '1' }));
  const { eventType: _, ...kindless } = event;
  expect(keyOfEvent(kindless)).toBe(keyOfEvent({ ...event, eventType: null }));
  expect(keyOfEvent(kindless)).not.toBe(keyOfEvent({ ...event, eventType: 'null' }));
});

test('an event that does not say which one it is has no key, and always another id', () => {
  const silent = [undefined, null, '', Number.NaN, Infinity, true, {}, ['i-1']];
  for (const part of silent) {
    expect(keyOfEvent({ ...event, id: part })).toBeUndefined();
    expect(keyOfEvent({ ...event, createdTime: part })).toBeUndefined();
  }
  for (const eventType of [true, {}, ['created']]) {
    expect(keyOfEvent({ ...event, eventType })).toBeUndefined();
  }
  expect(eventIdOf(undefined)).not.toBe(eventIdOf(undefined));
});

test('the id of a key is a valid UUID, always the same, and another one for another key', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 2 }), ([one, two]) => {
      const id = eventIdOf(keyOfEvent({ ...event, eventType: one }));
      expect(validate(id)).toBe(true);
      expect(version(id)).toBe(8);
      expect(eventIdOf(keyOfEvent({ ...event, eventType: one }))).toBe(id);
      expect(eventIdOf(keyOfEvent({ ...event, eventType: two }))).not.toBe(id);
    }),
  );
});

test('the id of a content is the same for the same text, and another one for any other', () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), (one, two) => {
      const idOf = (text: string) =>
        eventIdOfContent(JSON.parse(`{"payload":${text}}`) as Record<string, unknown>);
      expect(validate(idOf(one))).toBe(true);
      expect(idOf(one)).toBe(idOf(one));
      const isSame = JSON.stringify(JSON.parse(one)) === JSON.stringify(JSON.parse(two));
      expect(idOf(one) === idOf(two)).toBe(isSame);
    }),
  );
});
