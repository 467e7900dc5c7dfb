import type { Call, Reply } from '../operation.ts';
import { createRandom, randomAt } from '../random.ts';
import { isObject, parseObject, Refusal } from './error-body.ts';

export interface ConversationsOptions {
  readonly seed: number;
  /** Conversations in 30 days, spread evenly; longer and shorter periods have accordingly many. */
  readonly perMonth: number;
}

/**
 * The analytics query. Conversation number k takes place at k × interval since 1970 and its content
 * follows from the seed and k alone, so that any page of any period is made on the spot: a period
 * always gives the same answer, and its parts add up to the whole.
 */
export interface Conversations {
  readonly query: (call: Call) => Reply;
  count(from: Date, to: Date): number;
  /** What is behind the answers, for expectations; one attribute map for each conversation. */
  each(from: Date, to: Date): Iterable<Readonly<Record<string, unknown>> | undefined>;
  setPerMonth(count: number): void;
}

const MONTH_MS = 30 * 24 * 3_600_000;
const MAX_PAGE_SIZE = 1000;
const VARIANTS = 2048;
/** Stands for the conversation's number within a prepared text. */
const NUMBER_MARK = '#number#';

export function createConversations(options: ConversationsOptions): Conversations {
  const { seed } = options;
  let perMonth = options.perMonth;
  /** Serialised attributes, cut where the number goes; `undefined` = has none at all. */
  const variants = createVariants(seed);

  /** The first number at or after this time. */
  const numberAt = (ms: number): number => Math.ceil((ms / MONTH_MS) * perMonth);

  function attributesText(number: number): string | undefined {
    const variant = variants[Math.floor(randomAt(seed, number) * VARIANTS)];
    return variant?.join(String(number % 10_000_000));
  }

  function pageOf(first: number, end: number): string {
    const conversations: string[] = [];
    for (let number = first; number < end; number += 1) {
      const attributes = attributesText(number);
      const id = `"conversationId":"${conversationId(seed, number)}"`;
      conversations.push(
        attributes === undefined ? `{${id}}` : `{${id},"customAttributes":${attributes}}`,
      );
    }
    return conversations.join(',');
  }

  return {
    query(call) {
      const { dateFrom, dateTo, pageSize = 100, cursor } = parseObject(call.body);
      const from = parseDate('dateFrom', dateFrom);
      const to = parseDate('dateTo', dateTo);
      if (from >= to) throw new Refusal(400, 'dateFrom has to be before dateTo.');
      if (
        typeof pageSize !== 'number' ||
        !Number.isInteger(pageSize) ||
        pageSize < 1 ||
        pageSize > MAX_PAGE_SIZE
      ) {
        throw new Refusal(400, `pageSize has to be a whole number from 1 to ${MAX_PAGE_SIZE}.`);
      }
      const end = numberAt(to);
      let first = numberAt(from);
      if (cursor !== undefined) {
        const position = readCursor(cursor);
        if (position === undefined || position < first || position > end) {
          throw new Refusal(400, 'The cursor does not belong to this query.', 'invalid.cursor');
        }
        first = position;
      }
      const next = Math.min(first + pageSize, end);
      let token: string | undefined;
      if (call.repeatPage) token = writeCursor(first);
      else if (next < end) token = writeCursor(next);
      return {
        status: 200,
        headers: { 'content-type': 'application/json; charset=UTF-8' },
        body: `{"page":[${pageOf(first, next)}]${token === undefined ? '' : `,"nextPageToken":"${token}"`}}`,
      };
    },
    count: (from, to) => Math.max(0, numberAt(to.getTime()) - numberAt(from.getTime())),
    *each(from, to) {
      for (let number = numberAt(from.getTime()); number < numberAt(to.getTime()); number += 1) {
        const text = attributesText(number);
        const attributes: unknown = text === undefined ? undefined : JSON.parse(text);
        yield isObject(attributes) ? attributes : undefined;
      }
    },
    setPerMonth(count) {
      perMonth = count;
    },
  };
}

interface Share {
  readonly name: string;
  /** How many of the conversations have it. */
  readonly share: number;
  /** Drawn evenly; a value given twice is twice as likely. */
  readonly values: readonly unknown[];
}

/** Values that break their rules, empty ones and undefined attributes are part of real life. */
const ATTRIBUTES: readonly Share[] = [
  { name: 'crm_ticket_id', share: 0.8, values: [`T${NUMBER_MARK}`] },
  {
    name: 'crm_ticket_priority',
    share: 0.72,
    values: [
      ...Array.from({ length: 14 }, () => 'low'),
      ...Array.from({ length: 20 }, () => 'medium'),
      ...Array.from({ length: 12 }, () => 'high'),
      'critical',
      'URGENT',
      '',
      null,
    ],
  },
  {
    name: 'crm_channel_source',
    share: 0.41,
    values: ['web', 'web', 'web', 'phone', 'phone', 'email', 'email', 'app', 'Filiale München'],
  },
  { name: 'crm_case_status', share: 0.3, values: ['open', 'open', 'pending', 'closed', 'done'] },
  { name: 'crm_account_region', share: 0.22, values: ['DACH', 'UKI', 'Nordics', 'Île-de-France'] },
  { name: 'crm_survey_score', share: 0.12, values: [100, 95, 80, 60, 20, 0, 140] },
  { name: 'crm_account_active', share: 0.1, values: [true, true, true, false] },
  { name: 'crm_order_created_date', share: 0.05, values: ['2026-03-01', '2026-06-15', 'soon'] },
  { name: 'legacy_case_ref', share: 0.03, values: [`L-${NUMBER_MARK}`] },
  { name: 'crmTicketPriority', share: 0.01, values: ['high'] },
];

/** One conversation in twelve has no attributes at all. */
const SHARE_WITHOUT = 1 / 12;

function createVariants(seed: number): readonly (readonly string[] | undefined)[] {
  const random = createRandom(seed);
  return Array.from({ length: VARIANTS }, () => {
    if (random() < SHARE_WITHOUT) return undefined;
    const attributes: Record<string, unknown> = {};
    for (const { name, share, values } of ATTRIBUTES) {
      const index = Math.floor(random() * values.length);
      if (random() < share) attributes[name] = values[index];
    }
    return JSON.stringify(attributes).split(NUMBER_MARK);
  });
}

/** A UUID that says which conversation it is. */
function conversationId(seed: number, number: number): string {
  const low = number.toString(16).padStart(12, '0');
  return `${(seed >>> 0).toString(16).padStart(8, '0')}-c0de-4000-8000-${low}`;
}

function parseDate(name: string, value: unknown): number {
  const time = typeof value === 'string' ? Date.parse(value) : Number.NaN;
  if (Number.isNaN(time)) throw new Refusal(400, `${name} has to be an ISO 8601 date.`);
  return time;
}

function writeCursor(position: number): string {
  return Buffer.from(`at:${position}`).toString('base64url');
}

function readCursor(cursor: unknown): number | undefined {
  if (typeof cursor !== 'string') return undefined;
  const match = /^at:(\d{1,15})$/.exec(Buffer.from(cursor, 'base64url').toString('latin1'));
  return match === null ? undefined : Number(match[1]);
}
