import type { Problems } from './problems.ts';

/** A CRM record, and what has to become of it when nothing goes wrong on the way. */
export interface CrmRecord {
  readonly orgId: string;
  readonly ticketId: string;
  readonly priority: string;
  readonly sourceChannel: string;
  readonly expected: 'written' | 'rejected' | 'refused';
}

/**
 * What the service said of one record. `written` includes records it left out because Genesys has
 * them like that already; `unknown`: it may be written or not.
 */
export type ToldFate = 'written' | 'rejected' | 'failed' | 'untouched' | 'unknown';

/** Remembers what the contact centre must have, by what the service said about each record. */
export interface RecordBook {
  /** Records for one request: new ones, and some that were written before, for any unit. */
  take(orgId: string, count: number): CrmRecord[];
  told(record: CrmRecord, fate: ToldFate): void;
  readonly written: number;
  readonly unknown: number;
  /** Compares with what the contact centre has; returns how many records were as they must be. */
  audit(stored: Iterable<Readonly<Record<string, unknown>>>, problems: Problems): number;
}

const PRIORITIES = ['low', 'medium', 'high', 'critical'];
const CHANNELS = ['web', 'phone', 'Beschwerde – Post', 'チャット'];
/** From here on mostly known records are written again, so that an audit stays small. */
const MANY = 50_000;
const ABSENT = 'nothing';

export function createRecordBook(random: () => number, problems: Problems): RecordBook {
  /** Every value that an entity may have now; more than one after an unknown outcome. */
  const possible = new Map<string, Set<string>>();
  /** Written, certain, and not in a request at the moment. */
  const settled: CrmRecord[] = [];
  let last = 0;
  let written = 0;

  const pick = (from: readonly string[]) => from[Math.floor(random() * from.length)] ?? '';

  function fresh(orgId: string): CrmRecord {
    last += 1;
    const draw = random();
    const kind = draw < 0.01 ? 'rejected' : draw < 0.02 ? 'refused' : 'written';
    const refused = random() < 0.1 ? 'poison' : 'refuse';
    return {
      orgId,
      ticketId: `${kind === 'refused' ? refused : 'soak'}-${last}`,
      priority: kind === 'rejected' ? 'urgent' : pick(PRIORITIES),
      sourceChannel: pick(CHANNELS),
      expected: kind,
    };
  }

  function again(orgId: string): CrmRecord | undefined {
    const [known] = settled.splice(Math.floor(random() * settled.length), 1);
    if (known === undefined) return undefined;
    // Half of them unchanged, for `skipUnchanged`.
    if (random() < 0.5) return { ...known, orgId };
    return { ...known, orgId, priority: pick(PRIORITIES), sourceChannel: pick(CHANNELS) };
  }

  return {
    take(orgId, count) {
      const knownShare = last < MANY ? 0.3 : 0.98;
      return Array.from({ length: count }, () =>
        random() < knownShare ? (again(orgId) ?? fresh(orgId)) : fresh(orgId),
      );
    },
    told(record, fate) {
      const { ticketId, expected } = record;
      const before = possible.get(ticketId) ?? new Set([ABSENT]);
      if (fate === 'written') {
        written += 1;
        possible.set(ticketId, new Set([valueOf(record)]));
        settled.push(record);
      } else if (fate === 'unknown') {
        possible.set(ticketId, before.add(valueOf(record)));
      } else {
        possible.set(ticketId, before);
      }
      const wrong =
        (fate === 'written' && expected !== 'written') ||
        (fate === 'rejected' && expected !== 'rejected') ||
        (fate === 'failed' && expected === 'rejected');
      if (wrong) problems.add('wrong fate', `${ticketId} was ${fate}, must be ${expected}`);
    },
    get written() {
      return written;
    },
    get unknown() {
      return [...possible.values()].filter(({ size }) => size > 1).length;
    },
    audit(stored, found) {
      const values = new Map(Array.from(stored, (entity) => [String(entity['id']), entity]));
      let right = 0;
      for (const [id, allowed] of possible) {
        const entity = values.get(id);
        const value = entity === undefined ? ABSENT : storedValue(id, entity);
        if (allowed.has(value)) right += 1;
        else
          found.add(
            'record lost or wrong',
            `${id} is ${value}, told: ${[...allowed].join(' or ')}`,
          );
      }
      for (const id of values.keys()) {
        if (!possible.has(id)) found.add('record from nowhere', id);
      }
      return right;
    },
  };
}

function valueOf({ priority, sourceChannel }: CrmRecord): string {
  return `${priority} ${sourceChannel}`;
}

function storedValue(id: string, entity: Readonly<Record<string, unknown>>): string {
  const { crm_ticket_id, crm_ticket_priority, crm_channel_source } = entity;
  return crm_ticket_id === id
    ? `${String(crm_ticket_priority)} ${String(crm_channel_source)}`
    : `the ticket ${String(crm_ticket_id)}`;
}
