import type { EntryLimits } from './ports.ts';

/** Why the bus would take no entry of this size, in bytes; `undefined` when it would. */
export function tooLarge(bytes: number, { maxBytes }: Pick<EntryLimits, 'maxBytes'>) {
  if (bytes <= maxBytes) return undefined;
  const message = `The entry has ${bytes} bytes; the bus takes at most ${maxBytes}`;
  return { code: 'entry_too_large', message } as const;
}
