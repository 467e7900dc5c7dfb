import { createHash, timingSafeEqual } from 'node:crypto';
import type { Caller } from '../exchange.ts';
import { isRole, type Role } from '../route.ts';

/** Marks a key as one of ours, for people and for scanners that look for leaked secrets. */
export const API_KEY_PREFIX = 'ib_';

/** Longer ones are refused unread; `keygen` makes 46 characters. */
const MAX_KEY_LENGTH = 512;

export function digestOf(key: string): Buffer {
  return createHash('sha256').update(key).digest();
}

/**
 * Callers by API key. `entries` is a comma list of `name:role+role:sha256hex`; a name may come
 * several times, so that an old and a new key are valid side by side.
 *
 * @throws Error that names the entry and what is wrong with it
 */
export function createApiKeys(entries: string): { find(key: string): Caller | undefined } {
  const keys = entries.split(',').map((entry) => parseEntry(entry.trim()));
  return {
    find(key) {
      if (key.length > MAX_KEY_LENGTH) return undefined;
      const digest = digestOf(key);
      let found: Caller | undefined;
      // All are compared, and each in constant time: how long it takes tells nothing.
      for (const { caller, digest: expected } of keys) {
        if (timingSafeEqual(digest, expected)) found = caller;
      }
      return found;
    },
  };
}

function parseEntry(entry: string): { caller: Caller; digest: Buffer } {
  const [name = '', roleList = '', hex = ''] = entry.split(':');
  const words = roleList.split('+');
  const unknown = words.filter((word) => !isRole(word));
  if (unknown.length > 0) {
    throw new Error(`API_KEYS: the entry "${name}" has unknown roles: ${unknown.join(', ')}`);
  }
  if (!/^[0-9a-f]{64}$/.test(hex)) {
    throw new Error(`API_KEYS: the entry "${name}" does not end in a SHA-256 digest in hex`);
  }
  const roles = new Set<Role>(words.filter(isRole));
  return { caller: { name, roles }, digest: Buffer.from(hex, 'hex') };
}
