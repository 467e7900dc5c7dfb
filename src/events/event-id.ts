import { hash } from 'node:crypto';
import { v7 } from 'uuid';
import type { RawEvent } from './ports.ts';

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

/**
 * A UUID of the event's own: always the same for the same key (version 8 of RFC 9562, of a SHA-256),
 * a new one without a key.
 */
export function eventIdOf(key: string | undefined): string {
  if (key === undefined) return v7();
  const digest = hash('sha256', key, 'hex');
  const part = (from: number, to: number) => digest.slice(from, to);
  return `${part(0, 8)}-${part(8, 12)}-8${part(13, 16)}-8${part(17, 20)}-${part(20, 32)}`;
}
