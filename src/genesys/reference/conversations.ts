import type { Conversation, Conversations } from '../../attributes/ports.ts';
import type { GenesysClient } from '../client.ts';
import { endlessPages } from '../pages.ts';
import { list, optionalText, record } from '../shape.ts';

export interface ConversationsOptions {
  /** More pages in one period are taken for a loop. */
  readonly maxPages: number;
}

interface Page {
  readonly conversations: readonly Conversation[];
  readonly nextToken: string | undefined;
}

const CALL = {
  operation: 'query_conversations',
  method: 'POST',
  path: '/api/v2/analytics/conversations/details/query',
} as const;

const PAGE_SIZE = 1000;

/** `POST /api/v2/analytics/conversations/details/query`, a page for each cursor. */
export function createConversations(
  client: GenesysClient,
  options: ConversationsOptions,
): Conversations {
  return {
    async *pages(period, signal) {
      let cursor: string | undefined;
      // Brent's way to find a loop of any length: one token kept, replaced at powers of two.
      let kept: string | undefined;
      let replaceAt = 1;
      for (let pages = 1; ; pages += 1) {
        const { value: page } = await client.call<Page>({
          ...CALL,
          scope: 'analytics:read',
          urgency: 'report',
          body: {
            dateFrom: period.from.toISOString(),
            dateTo: period.to.toISOString(),
            view: 'conversation',
            metrics: [{ name: 'conversationCount' }],
            dimensions: ['customAttributes'],
            entity: { id: 'interactions' },
            pageSize: PAGE_SIZE,
            cursor,
          },
          idempotent: true,
          read: readPage,
          signal,
        });
        const next = page.nextToken;
        if (next !== undefined && (next === cursor || next === kept)) {
          throw endlessPages(CALL, `the token of page ${pages} was there before`);
        }
        if (next !== undefined && pages >= options.maxPages) {
          throw endlessPages(CALL, `there are more than ${options.maxPages}`);
        }
        yield page.conversations;
        if (next === undefined) return;
        if (pages === replaceAt) {
          kept = next;
          replaceAt *= 2;
        }
        cursor = next;
      }
    },
  };
}

function readPage(body: unknown): Page {
  const answer = record(body, 'the answer');
  const token = optionalText(answer['nextPageToken'], 'nextPageToken');
  return {
    conversations: list(answer['page'], 'page').map((entry, index) =>
      readConversation(entry, `page[${index}]`),
    ),
    nextToken: token === '' ? undefined : token,
  };
}

function readConversation(entry: unknown, name: string): Conversation {
  const fields = record(entry, name);
  const conversationId = optionalText(fields['conversationId'], `${name}.conversationId`);
  const attributes = fields['customAttributes'] ?? undefined;
  return {
    conversationId,
    customAttributes:
      attributes === undefined ? undefined : record(attributes, `${name}.customAttributes`),
  };
}
