import fc from 'fast-check';
import { validate, version } from 'uuid';
import { expect, test } from 'vitest';
import { eventIdOf, keyOfEvent } from '../../src/events/event-id.ts';

const event = { id: 'i-1', createdTime: '2026-11-30T10:00:00.000Z', eventType: 'created' };

test('the same interaction, time and kind make the same event', () => {
  expect(keyOfEvent({ ...event, payload: { priority: 'high' } })).toBe(keyOfEvent(event));
  const others = [
    { ...event, id: 'i-2' },
    { ...event, eventType: 'updated' },
    { ...event, createdTime: '2026-11-30T10:00:00.001Z' },
    { ...event, createdTime: 1_764_496_800_000 },
  ];
  const keys = [event, ...others].map((one) => keyOfEvent(one));
  expect(new Set(keys).size).toBe(keys.length);
});

test('an event that does not say which one it is has no key', () => {
  for (const bad of [{ id: 7 }, { id: '' }, { id: 'a b' }, { id: 'x'.repeat(129) }]) {
    expect(keyOfEvent({ ...event, ...bad })).toBeUndefined();
  }
  expect(keyOfEvent({ ...event, createdTime: undefined })).toBeUndefined();
  expect(eventIdOf(undefined)).not.toBe(eventIdOf(undefined));
});

test('the id of a key is a valid UUID, always the same, and another one for another key', () => {
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.string(), { minLength: 2, maxLength: 2 }),
      ([one = '', two = '']) => {
        const id = eventIdOf(one);
        expect(validate(id)).toBe(true);
        expect(version(id)).toBe(8);
        expect(eventIdOf(one)).toBe(id);
        expect(eventIdOf(two)).not.toBe(id);
      },
    ),
  );
});
