import type { ClassOptions } from '../lib/limits/turnstile.ts';

/** What a call is for; decides how soon it gets its turn while others wait. */
export type Urgency = 'stream' | 'write' | 'read' | 'report';

/**
 * Events that are not read are gone, writes keep a caller waiting, definitions and permissions a
 * whole request of records; a report may take its time, and leaves half of the sockets to the others.
 * Streams have sockets of their own.
 */
export const URGENCIES: Readonly<Record<Urgency, ClassOptions>> = {
  stream: { weight: 64, places: 'none needed' },
  write: { weight: 16, places: 1 },
  read: { weight: 4, places: 1 },
  report: { weight: 1, places: 0.5 },
};
