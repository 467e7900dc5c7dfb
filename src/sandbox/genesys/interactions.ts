import { randomBytes } from 'node:crypto';
import { createRandom } from '../random.ts';

/**
 * What the default configuration of the service has to do with an event: publish it (`matching`),
 * leave it out (`other`), or dead-letter it (`invalid`).
 */
export type Expectation = 'matching' | 'other' | 'invalid';

/** Some events as they go over the wire, line feeds included. */
export interface EventBatch {
  readonly bytes: Buffer;
  readonly counts: Readonly<Record<Expectation, number>>;
  /** Ids of its events, when they were asked for. */
  readonly ids: Readonly<Record<Expectation, readonly string[]>>;
  readonly events: number;
}

export interface InteractionsOptions {
  readonly seed: number;
  /** Share of events that match the default filter and break the schema, and of lines that are not JSON. */
  readonly malformedShare: number;
  /** Share of well-formed events that do not match the default filter; `undefined`: as they come. */
  readonly otherShare?: number | undefined;
  /** Share of lines that are an array of two to five events. */
  readonly arrayShare: number;
}

/** Endless believable interactions: prepared texts in which only id and time are written anew. */
export interface Interactions {
  /** At most `max` events and about 64 kB. */
  next(max: number, withIds: boolean): EventBatch;
}

const VARIANTS = 1024;
const BATCH_BYTES = 65_536;
const ID_LENGTH = 36;
const TIME_LENGTH = 24;
const LINE_FEED = 10;
const ID_MARK = '#'.repeat(ID_LENGTH);
const TIME_MARK = '~'.repeat(TIME_LENGTH);

interface Variant {
  readonly expectation: Expectation;
  readonly bytes: Buffer;
  readonly idAt: number;
  readonly timeAt: number;
}

export function createInteractions(options: InteractionsOptions): Interactions {
  const random = createRandom(options.seed);
  const variants = Array.from({ length: VARIANTS }, () => createVariant(random));
  const malformed = createMalformed(random);
  const longest = Math.max(...[...variants, ...malformed].map(({ bytes }) => bytes.length));
  // Ids of another run of the same sandbox must not look like repeated events.
  const idPrefix = `${randomBytes(4).toString('hex')}-1a2b-4000-8000-`;
  let lastNumber = 0;

  const matching = variants.filter(({ expectation }) => expectation === 'matching');
  const other = variants.filter(({ expectation }) => expectation === 'other');

  function pickFrom(from: readonly Variant[]): Variant {
    const variant = from[Math.floor(random() * from.length)];
    if (variant === undefined) throw new Error('There are no prepared events');
    return variant;
  }

  function pickWellFormed(): Variant {
    if (options.otherShare === undefined) return pickFrom(variants);
    return pickFrom(random() < options.otherShare ? other : matching);
  }

  function pick(): Variant {
    return random() < options.malformedShare ? pickFrom(malformed) : pickWellFormed();
  }

  return {
    next(max, withIds) {
      const bytes = Buffer.allocUnsafe(BATCH_BYTES + 6 * (longest + 2));
      const counts = { matching: 0, other: 0, invalid: 0 };
      const ids: Record<Expectation, string[]> = { matching: [], other: [], invalid: [] };
      const now = new Date().toISOString();
      let length = 0;
      let events = 0;

      const write = (variant: Variant): void => {
        variant.bytes.copy(bytes, length);
        if (variant.idAt >= 0) {
          lastNumber += 1;
          const id = idPrefix + lastNumber.toString(16).padStart(12, '0');
          bytes.write(id, length + variant.idAt, 'latin1');
          if (withIds) ids[variant.expectation].push(id);
        }
        if (variant.timeAt >= 0) bytes.write(now, length + variant.timeAt, 'latin1');
        length += variant.bytes.length;
        counts[variant.expectation] += 1;
        events += 1;
      };

      for (;;) {
        if (events >= max || length >= BATCH_BYTES) break;
        const first = pick();
        const inArray = random() < options.arrayShare ? 2 + Math.floor(random() * 4) : 1;
        if (inArray === 1 || first.idAt < 0 || events + inArray > max) {
          write(first);
        } else {
          bytes[length] = 0x5b;
          length += 1;
          write(first);
          for (let more = 1; more < inArray; more += 1) {
            const variant = pickWellFormed();
            bytes[length] = 0x2c;
            length += 1;
            write(variant);
          }
          bytes[length] = 0x5d;
          length += 1;
        }
        bytes[length] = LINE_FEED;
        length += 1;
      }
      return { bytes: bytes.subarray(0, length), counts, ids, events };
    },
  };
}

/** Given events (objects) and raw lines (texts) as a batch. */
export function batchOf(items: readonly unknown[]): EventBatch {
  const counts = { matching: 0, other: 0, invalid: 0 };
  const ids: Record<Expectation, string[]> = { matching: [], other: [], invalid: [] };
  const lines = items.map((item) => {
    const expectation = typeof item === 'string' ? 'invalid' : expectationOf(item);
    counts[expectation] += 1;
    const id: unknown = typeof item === 'object' && item !== null && 'id' in item ? item.id : '';
    if (typeof id === 'string' && id !== '') ids[expectation].push(id);
    return typeof item === 'string' ? item : JSON.stringify(item);
  });
  return { bytes: Buffer.from(`${lines.join('\n')}\n`), counts, ids, events: items.length };
}

/** The default filter, in the sandbox's own words. */
function expectationOf(event: unknown): Expectation {
  const { resourceType, createdTime, payload } = Object(event) as Record<string, unknown>;
  const { priority, routing, type } = Object(payload) as Record<string, unknown>;
  const { queue } = Object(routing) as Record<string, unknown>;
  const { name } = Object(queue) as Record<string, unknown>;
  const matches = priority === 'high' || (typeof name === 'string' && /priority/i.test(name));
  if (resourceType !== 'interaction' || !matches) return 'other';
  const complete =
    typeof priority === 'string' &&
    typeof type === 'string' &&
    typeof createdTime === 'string' &&
    !Number.isNaN(Date.parse(createdTime));
  return complete ? 'matching' : 'invalid';
}

const TYPES = ['voice', 'voice', 'voice', 'chat', 'chat', 'email', 'message', 'callback'];
const PRIORITIES = ['low', 'low', 'medium', 'medium', 'medium', 'high', 'high'];
const QUEUES = [
  'Billing',
  'Billing',
  'Technical Support',
  'Technical Support',
  'Sales DACH',
  'Rückrufe München',
  'Réclamations',
  '顧客サポート',
  'Priority Support',
  'VIP priority line',
  'Claims – PRIORITY',
];
const NAMES = [
  'Zoë Müller',
  'Łukasz Wójcik',
  'Siobhán O’Brien',
  '山田 太郎',
  'Ahmet Yılmaz',
  'Jane Roe',
  'João Gonçalves',
  'Nguyễn Thị Hoa 🎧',
];
const SKILLS = ['german', 'french', 'billing', 'returns', 'network', 'onboarding', 'retention'];

function createVariant(random: () => number): Variant {
  const pick = <T>(values: readonly T[]): T => {
    const value = values[Math.floor(random() * values.length)];
    if (value === undefined) throw new Error('Nothing to choose from');
    return value;
  };
  const type = pick(TYPES);
  const spoken = type === 'voice' || type === 'callback';
  const queueName = pick(QUEUES);
  const event = {
    id: ID_MARK,
    resourceType: 'interaction',
    eventType: random() < 0.55 ? 'created' : 'updated',
    createdTime: TIME_MARK,
    payload: {
      type,
      priority: pick(PRIORITIES),
      direction: random() < 0.85 ? 'inbound' : 'outbound',
      routing: {
        queue: { id: `queue-${QUEUES.indexOf(queueName) + 1}`, name: queueName },
        skills: [...new Set([pick(SKILLS), pick(SKILLS)])],
        waitMs: Math.floor(random() * 240_000),
      },
      customer: {
        name: pick(NAMES),
        ...(spoken
          ? { phone: `+49 30 ${Math.floor(1e6 + random() * 9e6)}` }
          : { email: `customer${Math.floor(random() * 90_000)}@example.com` }),
      },
      ...(random() < 0.5
        ? { subject: pick(['Rechnung 4711', 'Où est ma commande ?', 'Router']) }
        : {}),
      agentId: `agent-${1 + Math.floor(random() * 400)}`,
    },
  };
  return prepare(JSON.stringify(event), expectationOf({ ...event, createdTime: '2026-01-01' }));
}

/** Events that match the filter and break the schema, and lines that are no JSON. */
function createMalformed(random: () => number): Variant[] {
  const payload = { type: 'voice', priority: 'high', routing: { queue: { name: 'Billing' } } };
  const event = { id: ID_MARK, resourceType: 'interaction', eventType: 'created' };
  const invalid = [
    { ...event, createdTime: 'yesterday', payload },
    { ...event, createdTime: TIME_MARK, payload: { ...payload, type: undefined } },
    {
      ...event,
      createdTime: TIME_MARK,
      payload: { type: 'chat', routing: { queue: { name: 'Priority Support' } } },
    },
  ].map((value) => prepare(JSON.stringify(value), 'invalid'));
  const cut = createVariant(random).bytes.subarray(0, 90);
  return [...invalid, { expectation: 'invalid', bytes: cut, idAt: -1, timeAt: -1 }];
}

function prepare(text: string, expectation: Expectation): Variant {
  const bytes = Buffer.from(text);
  return { expectation, bytes, idAt: bytes.indexOf(ID_MARK), timeAt: bytes.indexOf(TIME_MARK) };
}
