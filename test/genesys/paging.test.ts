import { describe, expect, it } from 'vitest';
import { createAttributeDefinitions } from '../../src/genesys/reference/attribute-definitions.ts';
import { createConversations } from '../../src/genesys/reference/conversations.ts';
import { collect, failureOf, genesysClient } from './client-under-test.ts';
import { json, startFakeGenesys } from './fake-genesys.ts';

const entity = (name: string) => ({ name, type: 'string', validationRules: [] });

/** A listing whose page `n` is `page(n)`. */
async function listing(page: (pageNumber: number) => unknown) {
  const genesys = await startFakeGenesys((seen, response) => {
    const { searchParams } = new URL(seen.url, 'http://localhost');
    json(response, 200, page(Number(searchParams.get('pageNumber'))));
  });
  const { client } = genesysClient(genesys.baseUrl);
  return { genesys, definitions: createAttributeDefinitions(client) };
}

describe('numbered pages', () => {
  it('end with pageCount', async () => {
    const { genesys, definitions } = await listing((n) => ({
      entities: [entity(`a${n}`)],
      pageNumber: n,
      pageCount: 3,
    }));

    const names = (await definitions.ofUnit('acme')).map(({ name }) => name);

    expect(names).toEqual(['a1', 'a2', 'a3']);
    expect(genesys.calls).toHaveLength(3);
  });

  it('end without nextUri, of which only the number is used', async () => {
    const { genesys, definitions } = await listing((n) => ({
      entities: [entity(`a${n}`)],
      ...(n < 3 ? { nextUri: `https://elsewhere.example/steal?pageNumber=${n + 1}` } : {}),
    }));

    expect(await definitions.ofUnit('acme')).toHaveLength(3);
    expect(genesys.calls.map(({ url }) => url.split('?')[0])).toEqual(
      Array(3).fill('/api/v2/customattributes'),
    );
  });

  it('may be empty in between', async () => {
    const { definitions } = await listing((n) => ({
      entities: n === 4 ? [entity('last')] : [],
      pageCount: 4,
    }));
    expect(await definitions.ofUnit('acme')).toHaveLength(1);
  });

  it('a failure on the way is a failure, not a shorter list', async () => {
    const genesys = await startFakeGenesys((seen, response) =>
      seen.url.includes('pageNumber=2')
        ? json(response, 500, {})
        : json(response, 200, { entities: [entity('a')], pageCount: 2 }),
    );
    const definitions = createAttributeDefinitions(genesysClient(genesys.baseUrl).client);
    expect(await failureOf(definitions.ofUnit('acme'))).toMatchObject({
      code: 'genesys_unavailable',
    });
  });

  it('none at all is an empty list', async () => {
    const { definitions } = await listing(() => ({ entities: [], pageNumber: 1, pageCount: 0 }));
    expect(await definitions.ofUnit('acme')).toEqual([]);
  });

  it.each<[string, (n: number) => unknown, number]>([
    [
      'the first page as the last',
      (n) => ({ entities: [entity(`a${n}`)], pageNumber: 1, pageCount: 2 }),
      2,
    ],
    [
      'nextUri to itself',
      (n) => ({ entities: [entity(`a${n}`)], nextUri: `/api/v2/customattributes?pageNumber=${n}` }),
      1,
    ],
    [
      'nextUri back to the first page',
      (n) => ({ entities: [entity(`a${n}`)], nextUri: `/x?pageNumber=${n === 1 ? 2 : 1}` }),
      2,
    ],
    [
      'the first page for every number',
      () => ({ entities: [entity('a')], pageNumber: 1, pageCount: 9 }),
      2,
    ],
    ['the same page under other numbers', () => ({ entities: [entity('a')], pageCount: 9 }), 2],
    [
      'empty pages with nextUri for ever',
      (n) => ({ entities: [], nextUri: `/x?pageNumber=${n + 1}` }),
      1000,
    ],
  ])('a loop ends in an error: %s', async (_name, page, calls) => {
    const { genesys, definitions } = await listing(page);

    expect(await failureOf(definitions.ofUnit('acme'))).toMatchObject({
      code: 'genesys_endless_pages',
      kind: 'retry',
    });
    expect(genesys.calls).toHaveLength(calls);
  });
});

describe('pages by token', () => {
  const period = { from: new Date(0), to: new Date(1) };

  /** Conversations whose page `n` (from 1) leads to the token `next(n)`. */
  async function conversations(next: (n: number) => string | undefined, maxPages = 100) {
    const genesys = await startFakeGenesys((_seen, response) =>
      json(response, 200, { page: [{}], nextPageToken: next(genesys.calls.length) }),
    );
    const port = createConversations(genesysClient(genesys.baseUrl).client, { maxPages });
    return { genesys, port };
  }

  it('follow each token to the end', async () => {
    const { genesys, port } = await conversations((n) => (n < 4 ? `t${n}` : undefined));

    expect(await collect(port.pages(period))).toHaveLength(4);
    expect(
      genesys.calls.map(({ body }) => (JSON.parse(body) as { cursor?: string }).cursor),
    ).toEqual([undefined, 't1', 't2', 't3']);
  });

  it.each<[string, (n: number) => string, number]>([
    ['the same token', () => 't', 2],
    ['the same token, late', (n) => (n < 6 ? `start${n}` : 't'), 7],
    ['two tokens in turn', (n) => `t${n % 2}`, 4],
    ['a loop of seven, entered late', (n) => (n < 5 ? `start${n}` : `t${n % 7}`), 15],
    ['new tokens for ever', (n) => `t${n}`, 100],
  ])('a loop ends in an error: %s', async (_name, next, calls) => {
    const { genesys, port } = await conversations(next);

    expect(await failureOf(collect(port.pages(period)))).toMatchObject({
      code: 'genesys_endless_pages',
    });
    expect(genesys.calls).toHaveLength(calls);
  });

  it('stops asking when its reader stops', async () => {
    const { genesys, port } = await conversations((n) => `t${n}`);

    for await (const page of port.pages(period)) {
      expect(page).toHaveLength(1);
      break;
    }

    expect(genesys.calls).toHaveLength(1);
  });

  it('ends with the reason of an abort', async () => {
    const { port } = await conversations((n) => `t${n}`);
    const controller = new AbortController();
    const reason = new Error('enough');

    const reading = (async () => {
      for await (const page of port.pages(period, controller.signal)) {
        expect(page).toHaveLength(1);
        controller.abort(reason);
      }
    })();

    expect(await failureOf(reading)).toBe(reason);
  });
});
