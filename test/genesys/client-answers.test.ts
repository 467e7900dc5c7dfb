import { describe, expect, it } from 'vitest';
import type { UpstreamError } from '../../src/errors.ts';
import { record } from '../../src/genesys/shape.ts';
import {
  anyCall,
  CLIENT_SECRET,
  capturedLog,
  failureOf,
  genesysClient,
  tokenCache,
} from './client-under-test.ts';
import { type Answer, inTurn, json, ok, startFakeGenesys, status } from './fake-genesys.ts';

const write = { method: 'POST', scope: 'customattributes:write' } as const;

describe('answers that make no sense', () => {
  const html: Answer = (_seen, response) => {
    response.writeHead(200, { 'content-type': 'text/html' });
    response.end('<html>Please log in</html>');
  };

  it('a 200 with HTML, repeated for a GET', async () => {
    const genesys = await startFakeGenesys(html);
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({ code: 'genesys_bad_answer', kind: 'retry', tries: 3 });
    expect(error.message).toContain('text/html');
  });

  it.each([
    ['repeated for a POST when that is harmless', true, 3],
    ['and not for any other POST, whose work may be done', false, 1],
  ])('%s', async (_name, idempotent, tries) => {
    const genesys = await startFakeGenesys(html);
    const { client } = genesysClient(genesys.baseUrl);

    const error = await failureOf(client.call(anyCall({ ...write, idempotent })));

    expect(error).toMatchObject({ code: 'genesys_bad_answer', tries });
    expect(genesys.calls).toHaveLength(tries);
  });

  it('another shape', async () => {
    const genesys = await startFakeGenesys((_seen, response) => json(response, 200, [1]));
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(
      client.call(anyCall({ read: (body) => record(body, 'the thing') })),
    )) as UpstreamError;

    expect(error.code).toBe('genesys_bad_answer');
    expect(error.message).toContain('the thing is a list instead of an object');
  });

  it('a redirect, which is not followed', async () => {
    const genesys = await startFakeGenesys(status(302, { location: 'http://127.0.0.1:9/' }));
    const { client } = genesysClient(genesys.baseUrl);

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;

    expect(error).toMatchObject({ code: 'genesys_bad_answer', status: 302 });
    expect(error.message).toContain('GENESYS_BASE_URL');
  });

  it('more than the bound', async () => {
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(200);
      response.end(`"${'x'.repeat(5000)}"`);
    });
    const { client } = genesysClient(genesys.baseUrl, { maxAnswerBytes: 1000 });

    expect(await failureOf(client.call(anyCall()))).toMatchObject({
      code: 'genesys_bad_answer',
      tries: 1,
    });
  });

  it('no body at all is undefined to the reader', async () => {
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(204);
      response.end();
    });
    const { client } = genesysClient(genesys.baseUrl);

    expect(await client.call(anyCall())).toMatchObject({ value: undefined, status: 204 });
  });

  it('a character cut in the middle is put together again', async () => {
    const bytes = Buffer.from(JSON.stringify({ name: 'Zürich 東京 🚀' }));
    const genesys = await startFakeGenesys((_seen, response) => {
      response.writeHead(200);
      let at = 0;
      const next = () => {
        if (at >= bytes.length) response.end();
        else response.write(bytes.subarray(at, (at += 1)), () => setImmediate(next));
      };
      next();
    });
    const { client } = genesysClient(genesys.baseUrl);

    expect((await client.call(anyCall())).value).toEqual({ name: 'Zürich 東京 🚀' });
  });
});

describe('what is seen from outside', () => {
  it('counts requests, retries and waits', async () => {
    const genesys = await startFakeGenesys(inTurn(status(503), status(429), ok));
    const { client, registry } = genesysClient(genesys.baseUrl);

    await client.call(anyCall());

    const text = await registry.metrics();
    expect(text).toContain('genesys_requests_total{operation="test_call",status="503"} 1');
    expect(text).toContain('genesys_requests_total{operation="test_call",status="429"} 1');
    expect(text).toContain('genesys_requests_total{operation="test_call",status="200"} 1');
    expect(text).toContain(
      'genesys_retries_total{operation="test_call",reason="genesys_rate_limited"} 1',
    );
    expect(text).toContain('genesys_request_duration_seconds_count{operation="test_call"} 3');
    expect(text).toMatch(/genesys_rate_limit_wait_seconds_total \d/);
    expect(text).toContain('genesys_rate_limit_per_minute 50000');
  });

  it('hands a trace context on', async () => {
    const genesys = await startFakeGenesys(ok);
    const traceparent = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';
    const { client } = genesysClient(genesys.baseUrl, { traceparent: () => traceparent });

    await client.call(anyCall());

    expect(genesys.calls[0]?.headers['traceparent']).toBe(traceparent);
  });

  it('shows no token and no secret, in errors or log, even when Genesys echoes them', async () => {
    const genesys = await startFakeGenesys((seen, response) =>
      json(response, 403, { message: `You sent ${seen.headers.authorization}\n\u001b[31m` }),
    );
    const { log, text } = capturedLog();
    const { client } = genesysClient(genesys.baseUrl, {
      log,
      tokens: tokenCache(genesys.baseUrl, { log }),
    });

    const error = (await failureOf(client.call(anyCall()))) as UpstreamError;
    log.error({ err: error }, 'shown');

    const shown = `${error.message} ${text()}`;
    expect(shown).toContain('You sent Bearer [hidden]');
    expect(shown).not.toContain('token-1');
    expect(shown).not.toContain(CLIENT_SECRET);
    expect(error.message).not.toContain('\n');
    expect(error.message).not.toContain('\u001b');
  });
});
