import { UpstreamError } from '../errors.ts';
import type { GenesysClient } from './client.ts';
import { where } from './failures.ts';
import type { Scope } from './scopes.ts';
import { list, optionalNumber, optionalText, record, ShapeError } from './shape.ts';

export interface PagesRequest<T> {
  readonly operation: string;
  readonly path: string;
  readonly query: Readonly<Record<string, string>>;
  readonly scope: Scope;
  /** Checks one entity; `name` says where it is. Throws ShapeError. */
  readonly read: (entity: unknown, name: string) => T;
  readonly pageSize: number;
  /** More pages than this are taken for a loop. */
  readonly maxPages: number;
  readonly signal?: AbortSignal | undefined;
}

interface Page<T> {
  readonly entities: readonly T[];
  /** What the server says which page this is. */
  readonly number: number;
  readonly next: number | undefined;
  /** `undefined` for an empty page, which may well be followed by another. */
  readonly fingerprint: string | undefined;
}

/**
 * The pages of a listing: `{entities, pageNumber, pageCount, nextUri?}`. Only the page number is
 * taken from `nextUri`: the token is sent to no address that an answer names.
 *
 * @throws UpstreamError `genesys_endless_pages` when a page leads to itself or back, when the same
 *   page comes again under another number, or after `maxPages`.
 */
export async function* pagesOf<T>(
  client: GenesysClient,
  request: PagesRequest<T>,
): AsyncGenerator<readonly T[], void, undefined> {
  const { operation, path, scope, signal } = request;
  let previous: string | undefined;
  let pages = 0;
  for (let number: number | undefined = 1; number !== undefined; ) {
    const asked: number = number;
    const { value: page } = await client.call<Page<T>>({
      operation,
      method: 'GET',
      path,
      query: {
        ...request.query,
        pageSize: String(request.pageSize),
        pageNumber: String(asked),
      },
      scope,
      urgency: 'read',
      signal,
      read: (body) => readPage(body, asked, request.read),
    });
    pages += 1;
    const problem = loopIn(page, asked, previous, pages >= request.maxPages);
    if (problem !== undefined) throw endlessPages({ operation, method: 'GET', path }, problem);
    yield page.entities;
    previous = page.fingerprint;
    number = page.next;
  }
}

function loopIn(
  page: Page<unknown>,
  asked: number,
  previous: string | undefined,
  last: boolean,
): string | undefined {
  // A server that ignores the number we ask for answers with the same page for ever.
  if (page.number < asked) return `page ${asked} is page ${page.number} again`;
  if (page.fingerprint !== undefined && page.fingerprint === previous) {
    return `page ${asked} is the one before it again`;
  }
  if (page.next === undefined) return undefined;
  if (page.next <= asked) return `page ${asked} leads to page ${page.next}`;
  return last ? `page ${asked} is the last one that is asked for, and there are more` : undefined;
}

export function endlessPages(
  call: { operation: string; method: string; path: string },
  why: string,
): UpstreamError {
  return new UpstreamError(`${where(call)} has pages without end: ${why}.`, {
    code: 'genesys_endless_pages',
    kind: 'retry',
    service: 'genesys',
    details: { operation: call.operation },
  });
}

function readPage<T>(
  body: unknown,
  asked: number,
  read: (entity: unknown, name: string) => T,
): Page<T> {
  const page = record(body, 'the page');
  const raw = list(page['entities'], 'entities');
  const entities = raw.map((entity, index) => read(entity, `entities[${index}]`));
  const number = optionalNumber(page['pageNumber'], 'pageNumber') ?? asked;
  const pageCount = optionalNumber(page['pageCount'], 'pageCount') ?? 0;
  const nextUri = optionalText(page['nextUri'], 'nextUri') ?? '';
  const counted = asked < pageCount ? asked + 1 : undefined;
  return {
    entities,
    number,
    next: nextUri === '' ? counted : numberIn(nextUri, asked),
    fingerprint: raw.length === 0 ? undefined : JSON.stringify(raw),
  };
}

function numberIn(nextUri: string, asked: number): number {
  const query = nextUri.slice(nextUri.indexOf('?') + 1);
  const stated = new URLSearchParams(query).get('pageNumber');
  if (stated === null) return asked + 1;
  if (!/^\d{1,9}$/.test(stated)) throw new ShapeError('nextUri has no valid pageNumber');
  return Number(stated);
}
