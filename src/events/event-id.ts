import { hash } from 'node:crypto';
import { v7 } from 'uuid';
import { writeJson } from '../lib/json/exact-json.ts';
import type { RawEvent } from './ports.ts';

/**
 * What makes a raw event the same as another one: the interaction's id, the time and the kind of
 * what happened to it (an interaction has many events under one id). Ends with a SHA-256 in hex over
 * all of each of them; what stands before it lets operators find an interaction in the journal.
 * 1 and "1" are two: taking two for one would lose an event. `undefined` when the event does not
 * say: then it cannot be recognised.
 */
export function keyOfEvent(event: RawEvent): string | undefined {
  const { id, createdTime: time, eventType: kind } = event;
  if (!isSaid(id) || !isSaid(time)) return undefined;
  if (kind !== undefined && kind !== null && !isSaid(kind) && kind !== '') return undefined;
  // JSON keeps the parts apart, whatever is in them, and text apart from numbers.
  const digest = hash('sha256', JSON.stringify([id, time, kind ?? null]), 'hex');
  return `${readable(id)} ${readable(time)} ${digest}`;
}

function isSaid(part: unknown): part is string | number {
  return typeof part === 'string' ? part !== '' : Number.isFinite(part);
}

function readable(part: string | number): string {
  return String(part)
    .slice(0, 64)
    .replaceAll(/[^\w.:+-]/g, '_');
}

/**
 * A UUID of the event's own: always the same for the same key of `keyOfEvent` (version 8 of RFC
 * 9562), a new one without a key.
 */
export function eventIdOf(key: string | undefined): string {
  if (key === undefined) return v7();
  const digest = key.slice(-64);
  const part = (from: number, to: number) => digest.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-8${part(13, 16)}-8${part(17, 20)}-${part(20, 32)}`;
}

/**
 * The id of an event without a key where several readers may have it: the same for equal content,
 * so that one copy is dropped. Two events that say the same, to the byte, are then one.
 *
 * @throws what writing it as JSON throws.
 */
export function eventIdOfContent(event: RawEvent): string {
  return eventIdOf(hash('sha256', writeJson(event), 'hex'));
}
