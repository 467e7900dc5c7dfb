import { v5, v7 } from 'uuid';
import type { RawEvent } from './ports.ts';

/** Name space of the ids of events. */
const EVENTS = '0e0c7bb5-6a43-4a8e-9d9c-3f0f5f0a4f63';
/** Without blanks, which part a key. */
const USABLE_ID = /^[!-~]{1,128}$/;
const MAX_PART_LENGTH = 64;

/**
 * What makes a raw event the same as another one: the interaction's id, the time and the kind of
 * what happened to it (an interaction has many events under one id). `undefined` when the event
 * does not say: then it cannot be recognised.
 */
export function keyOfEvent(event: RawEvent): string | undefined {
  const { id, createdTime: time, eventType: kind } = event;
  if (typeof id !== 'string' || !USABLE_ID.test(id)) return undefined;
  if (typeof time !== 'string' && typeof time !== 'number') return undefined;
  const parts = [String(time), typeof kind === 'string' ? kind : ''];
  return [id, ...parts.map((part) => part.slice(0, MAX_PART_LENGTH))].join(' ');
}

/** A UUID of the event's own: always the same for the same key, a new one without a key. */
export function eventIdOf(key: string | undefined): string {
  return key === undefined ? v7() : v5(key, EVENTS);
}
