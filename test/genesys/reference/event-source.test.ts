import type { ServerResponse } from 'node:http';
import { describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../../src/errors.ts';
import type { StreamItem } from '../../../src/events/ports.ts';
import { createEventSource } from '../../../src/genesys/reference/event-source.ts';
import { collect, failureOf, genesysClient, tokenCache } from '../client-under-test.ts';
import { type Answer, json, startFakeGenesys } from '../fake-genesys.ts';

const idle = new AbortController().signal;

async function source(answer: Answer, options = {}) {
  const genesys = await startFakeGenesys(answer);
  const { client, tokens } = genesysClient(genesys.baseUrl);
  const events = createEventSource(client, {
    livenessMs: 5000,
    maxLineBytes: 10_000,
    ...options,
  });
  return { genesys, tokens, events };
}

/** Sends each chunk by itself, then does `then`. */
const chunks =
  (parts: readonly (string | Uint8Array)[], then: (response: ServerResponse) => void): Answer =>
  (_seen, response) => {
    response.writeHead(200, { 'content-type': 'application/json' });
    let at = 0;
    const next = () => {
      const part = parts[at];
      at += 1;
      if (part === undefined) then(response);
      else response.write(part, () => setImmediate(next));
    };
    next();
  };
const end = (response: ServerResponse) => response.end();
const stayOpen = () => undefined;
const event = (id: unknown) => ({ kind: 'event', event: { id } });

async function itemsOf(answer: Answer, options = {}): Promise<StreamItem[]> {
  const { events } = await source(answer, options);
  return (await collect(await events.stream('s1', idle))).flat();
}

describe('lines', () => {
  it('are an event or a list of events', async () => {
    const items = await itemsOf(
      chunks(['{"id":1}\n[{"id":2},{"id":3}]\r\n', '\n \n[]\n', '{"id":4}\n'], end),
    );
    expect(items).toEqual([event(1), event(2), event(3), event(4)]);
  });

  it('are whole again when the network cut them, and their characters, anywhere', async () => {
    const bytes = Buffer.from('{"id":"東京"}\n[{"id":"🚀"}]\n');
    const items = await itemsOf(
      chunks(
        Array.from(bytes, (byte) => Uint8Array.of(byte)),
        end,
      ),
    );
    expect(items).toEqual([event('東京'), event('🚀')]);
  });

  it('that are no events are named, and the stream goes on', async () => {
    const items = await itemsOf(
      chunks(['{"id":1}\nnot json\n"text"\nnull\n[{"id":2},7,[]]\n{"id":3}\n'], end),
    );
    expect(items).toEqual([
      event(1),
      { kind: 'malformed', text: 'not json', reason: 'not JSON' },
      { kind: 'malformed', text: '"text"', reason: 'not an object' },
      { kind: 'malformed', text: 'null', reason: 'not an object' },
      event(2),
      { kind: 'malformed', text: '7', reason: 'not an object' },
      { kind: 'malformed', text: '[]', reason: 'not an object' },
      event(3),
    ]);
  });

  it('that are too long are cut, named, and skipped', async () => {
    const items = await itemsOf(chunks([`"${'x'.repeat(50_000)}"\n{"id":1}\n`], end));
    expect(items[0]).toMatchObject({ kind: 'malformed', reason: 'too long' });
    expect(items[0]?.kind === 'malformed' && items[0].text).toBe(`"${'x'.repeat(9999)}`);
    expect(items[1]).toEqual(event(1));
  });

  it('that nest too deep or are no UTF-8 are named with all of their bytes', async () => {
    const deep = `{"id":2,"payload":${'['.repeat(2500)}${']'.repeat(2500)}}`;
    const latin = Buffer.from('{"id":"B\xFCro"}', 'latin1');
    const items = await itemsOf(
      chunks(['{"id":1}\n', `${deep}\n`, latin, '\n{"id":"\uFFFD"}\n'], end),
    );
    expect(items).toEqual([
      event(1),
      { kind: 'malformed', text: deep, reason: 'too deep' },
      {
        kind: 'malformed',
        text: `data:application/octet-stream;base64,${latin.toString('base64')}`,
        reason: 'not UTF-8',
      },
      event('\uFFFD'),
    ]);
  });

  it('may end without a line feed when the body ends well', async () => {
    expect(await itemsOf(chunks(['{"id":1}\n{"id":2}'], end))).toEqual([event(1), event(2)]);
  });

  it('keep-alives are seen as empty arrays', async () => {
    const { events } = await source(chunks(['\n'], stayOpen));
    const stream = await events.stream('s1', idle);
    for await (const items of stream) {
      expect(items).toEqual([]);
      break;
    }
  });
});

describe('the request', () => {
  it('names the subscription and carries a token', async () => {
    const { genesys, events } = await source(chunks([], end));
    await collect(await events.stream('a b/c', idle));
    expect(genesys.calls[0]).toMatchObject({
      method: 'GET',
      url: '/api/v2/events/subscriptions/a%20b%2Fc/events',
      headers: { accept: 'application/json', authorization: 'Bearer token-1' },
    });
  });

  it('gets one new token after a 401, at once', async () => {
    const { genesys, events } = await source((seen, response) =>
      seen.headers.authorization === 'Bearer token-1'
        ? json(response, 401, {})
        : chunks(['{"id":1}\n'], end)(seen, response),
    );
    expect((await collect(await events.stream('s1', idle))).flat()).toEqual([event(1)]);
    expect(genesys.calls).toHaveLength(2);
  });

  it.each([
    [401, {}, { code: 'genesys_credentials_refused', kind: 'systemic' }, 2],
    [
      403,
      {},
      { code: 'genesys_forbidden', kind: 'systemic', missingPermission: 'event:subscribe' },
      1,
    ],
    [404, {}, { code: 'genesys_not_found', kind: 'reject' }, 1],
    [
      429,
      { 'retry-after': '7' },
      { code: 'genesys_rate_limited', kind: 'retry', retryAfterMs: 7000 },
      1,
    ],
    [503, {}, { code: 'genesys_unavailable', kind: 'retry' }, 1],
  ] as const)('%i rejects, without tries of its own', async (status, headers, error, calls) => {
    const { genesys, events } = await source((_seen, response) =>
      json(response, status, { message: 'no' }, headers),
    );
    expect(await failureOf(events.stream('s1', idle))).toMatchObject({ ...error, status });
    expect(genesys.calls).toHaveLength(calls);
  });

  it('its errors do not show the token', async () => {
    const { events } = await source((seen, response) =>
      json(response, 403, { message: `You sent ${seen.headers.authorization}` }),
    );
    const error = (await failureOf(events.stream('s1', idle))) as UpstreamError;
    expect(error.message).toContain('You sent Bearer [hidden]');
    expect(error.message).not.toContain('token-1');
  });

  it('an HTML page is no stream', async () => {
    const { events } = await source((_seen, response) => {
      response.writeHead(200, { 'content-type': 'text/html' });
      response.end('<html>');
    });
    expect(await failureOf(events.stream('s1', idle))).toMatchObject({
      code: 'genesys_bad_answer',
    });
  });

  it.each(['', '.', '..'])('%j is no subscription', async (id) => {
    const { genesys, events } = await source(chunks([], end));
    expect(await failureOf(events.stream(id, idle))).toMatchObject({ code: 'genesys_not_found' });
    expect(genesys.calls).toHaveLength(0);
  });

  it('rejects with the reason of an abort before the answer', async () => {
    const { genesys, events } = await source(stayOpen);
    const controller = new AbortController();
    const failed = failureOf(events.stream('s1', controller.signal));
    await expect.poll(() => genesys.calls.length).toBe(1);
    const reason = new Error('stopping');

    controller.abort(reason);

    expect(await failed).toBe(reason);
  });
});

describe('the end of a stream', () => {
  it('is not the time limit of a call', async () => {
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('\n'), 20);
      response.once('close', () => clearInterval(timer));
    });
    const { client } = genesysClient(genesys.baseUrl, {
      timeouts: { connectMs: 200, headersMs: 200, bodyMs: 200, tryMs: 200 },
      tokens: tokenCache(genesys.baseUrl),
    });
    const events = createEventSource(client, { livenessMs: 5000, maxLineBytes: 1000 });
    const startedMs = performance.now();

    for await (const items of await events.stream('s1', idle)) {
      expect(items).toEqual([]);
      if (performance.now() - startedMs > 500) break;
    }
  });

  it('is a silence of the configured time', async () => {
    const { genesys, events } = await source(chunks(['{"id":1}\n'], stayOpen), {
      livenessMs: 100,
    });
    const stream = await events.stream('s1', idle);

    const error = (await failureOf(collect(stream))) as UpstreamError;

    expect(error).toMatchObject({ code: 'genesys_stream_silent', kind: 'retry' });
    expect(error.message).toContain('100 ms');
    await expect.poll(genesys.openSockets).toBeLessThanOrEqual(1);
  });

  it('is a broken connection, after all that had come before it', async () => {
    const { events } = await source(
      chunks(['{"id":1}\n', '{"id":2}\n{"id":'], (response) => response.destroy()),
    );
    const stream = await events.stream('s1', idle);
    // The connection breaks long before anybody reads.
    await new Promise((resolve) => {
      setTimeout(resolve, 50);
    });
    const items: StreamItem[] = [];

    const error = await failureOf(
      (async () => {
        for await (const some of stream) items.push(...some);
      })(),
    );

    expect(items).toEqual([event(1), event(2)]);
    expect(error).toMatchObject({ code: 'genesys_unavailable', kind: 'retry' });
  });

  it('is an abort, with its reason, also while nothing comes', async () => {
    const { genesys, events } = await source(chunks(['{"id":1}\n'], stayOpen));
    const controller = new AbortController();
    const stream = await events.stream('s1', controller.signal);
    const reason = new Error('stopping');

    const error = await failureOf(
      (async () => {
        for await (const items of stream) {
          expect(items).toEqual([event(1)]);
          setImmediate(() => controller.abort(reason));
        }
      })(),
    );

    expect(error).toBe(reason);
    await expect.poll(genesys.openSockets).toBeLessThanOrEqual(1);
  });

  it('is the consumer who stops: the socket is closed', async () => {
    let closed = false;
    const { events } = await source((seen, response) => {
      response.once('close', () => {
        closed = true;
      });
      chunks(['{"id":1}\n'], stayOpen)(seen, response);
    });

    for await (const items of await events.stream('s1', idle)) {
      expect(items).toEqual([event(1)]);
      break;
    }

    await expect.poll(() => closed).toBe(true);
  });

  it('is an abort before anybody has read: the socket is closed', async () => {
    let closed = false;
    const { events } = await source((seen, response) => {
      response.once('close', () => {
        closed = true;
      });
      chunks(['{"id":1}\n'], stayOpen)(seen, response);
    });
    const controller = new AbortController();
    await events.stream('s1', controller.signal);

    controller.abort(new Error('stopping'));

    await expect.poll(() => closed).toBe(true);
  });

  it('is not a new token', async () => {
    let send: (text: string) => void = () => undefined;
    const { tokens, events } = await source((seen, response) => {
      send = (text) => response.write(text);
      chunks(['{"id":1}\n'], stayOpen)(seen, response);
    });
    const stream = (await events.stream('s1', idle))[Symbol.asyncIterator]();
    expect((await stream.next()).value).toEqual([event(1)]);

    tokens.invalidate('token-1');
    expect(await tokens.get('event:subscribe')).toBe('token-2');
    send('{"id":2}\n');

    expect((await stream.next()).value).toEqual([event(2)]);
    await stream.return?.();
  });
});

it('a reader that stands still holds the sender back, and is not taken for silence', async () => {
  const line = `{"id":"${'x'.repeat(8000)}"}\n`;
  let written = 0;
  let blocked = 0;
  const total = 4000;
  const { events } = await source(
    (_seen, response) => {
      response.writeHead(200);
      const next = () => {
        while (written < total) {
          written += 1;
          if (!response.write(line)) {
            blocked += 1;
            response.once('drain', next);
            return;
          }
        }
        response.end();
      };
      next();
    },
    { livenessMs: 300 },
  );
  const stream = await events.stream('s1', idle);
  const before = () => written;
  // The sender comes to a halt although nobody has read: what is on the way is bounded.
  let seen = -1;
  await expect
    .poll(
      () => {
        const still = seen === before();
        seen = before();
        return still;
      },
      { interval: 1500, timeout: 10_000 },
    )
    .toBe(true);
  expect(written).toBeLessThan(total);
  expect(blocked).toBeGreaterThan(0);

  let received = 0;
  for await (const items of stream) received += items.length;
  expect(received).toBe(total);
});
