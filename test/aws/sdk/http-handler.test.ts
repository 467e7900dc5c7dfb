import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { HttpRequest } from '@smithy/core/protocols';
import { expect, onTestFinished, test } from 'vitest';
import { createHttpHandler } from '../../../src/aws/sdk/http-handler.ts';

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

async function handlerFor(answer: Answer, changes: { requestTimeoutMs?: number } = {}) {
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const handler = createHttpHandler({
    maxSockets: 1,
    connectTimeoutMs: 500,
    requestTimeoutMs: 5000,
    ...changes,
  });
  onTestFinished(() => {
    handler.destroy();
    server.closeAllConnections();
    server.close();
  });
  const request = (parts: ConstructorParameters<typeof HttpRequest>[0] = {}) =>
    new HttpRequest({ protocol: 'http:', hostname: '127.0.0.1', port, path: '/', ...parts });
  return { handler, request };
}

test('sends method, path, query, headers and body, and says who it is', async () => {
  const seen: unknown[] = [];
  const { handler, request } = await handlerFor(async (incoming, response) => {
    const { method, url, headers } = incoming;
    const { 'x-amz-target': target, 'user-agent': agent } = headers;
    seen.push({ method, url, target, agent, body: await text(incoming) });
    response.writeHead(202, { 'x-amzn-requestid': 'r-1', 'x-many': ['a', 'b'] });
    response.write('half ');
    setImmediate(() => response.end('and half'));
  });
  const { response } = await handler.handle(
    request({
      method: 'POST',
      path: '/v1/schemas',
      query: { version: '1 (a)', tag: ['x', 'y'] },
      headers: { 'x-amz-target': 'AWSEvents.PutEvents' },
      body: '{"name":"Zoë"}',
    }),
  );
  expect(seen).toEqual([
    {
      method: 'POST',
      url: '/v1/schemas?tag=x&tag=y&version=1%20%28a%29',
      body: '{"name":"Zoë"}',
      target: 'AWSEvents.PutEvents',
      agent: 'interaction-bridge',
    },
  ]);
  expect(response.statusCode).toBe(202);
  expect(response.headers).toMatchObject({ 'x-amzn-requestid': 'r-1', 'x-many': 'a,b' });
  expect(String(response.body)).toBe('half and half');
});

test("keeps the SDK's User-Agent where there is one", async () => {
  const { handler, request } = await handlerFor((incoming, response) => {
    response.end(incoming.headers['user-agent']);
  });
  const { response } = await handler.handle(request({ headers: { 'user-agent': 'aws-sdk-js' } }));
  expect(String(response.body)).toBe('aws-sdk-js');
});

test('a broken connection and a silent server are what the SDK repeats', async () => {
  const broken = await handlerFor((incoming) => void incoming.socket.destroy());
  await expect(broken.handler.handle(broken.request())).rejects.toMatchObject({
    name: 'TimeoutError',
    code: 'ECONNRESET',
  });
  const silent = await handlerFor(() => {}, { requestTimeoutMs: 50 });
  await expect(silent.handler.handle(silent.request())).rejects.toMatchObject({
    name: 'TimeoutError',
    code: 'ETIMEDOUT',
    message: 'no complete answer within 50 ms',
  });
});

test('the time limit holds within an answer too, and frees the socket', async () => {
  let asked = 0;
  const { handler, request } = await handlerFor(
    (_, response) => {
      asked += 1;
      if (asked === 1) response.write('the beginning');
      else response.end('whole');
    },
    { requestTimeoutMs: 100 },
  );
  await expect(handler.handle(request())).rejects.toMatchObject({ code: 'ETIMEDOUT' });
  const { response } = await handler.handle(request());
  expect(String(response.body)).toBe('whole');
});

test('what is given up while it waits for a socket is never sent', async () => {
  const seen: string[] = [];
  const held = Promise.withResolvers<ServerResponse>();
  const { handler, request } = await handlerFor((incoming, response) => {
    seen.push(String(incoming.url));
    if (incoming.url === '/first') held.resolve(response);
    else response.end();
  });
  const first = handler.handle(request({ path: '/first' }));
  const stop = new AbortController();
  const second = handler.handle(request({ path: '/second' }), { abortSignal: stop.signal });
  const answer = await held.promise;
  stop.abort(new Error('no longer wanted'));
  await expect(second).rejects.toThrow('no longer wanted');
  answer.end();
  await first;
  await handler.handle(request({ path: '/third' }));
  expect(seen).toEqual(['/first', '/third']);
});

test('an abort before and within a request rejects with its reason', async () => {
  const began = Promise.withResolvers<void>();
  const { handler, request } = await handlerFor(() => began.resolve());
  const reason = new Error('stopping');
  await expect(handler.handle(request(), { abortSignal: AbortSignal.abort(reason) })).rejects.toBe(
    reason,
  );

  const stop = new AbortController();
  const asked = handler.handle(request(), { abortSignal: stop.signal });
  await began.promise;
  stop.abort(reason);
  await expect(asked).rejects.toBe(reason);
});

test('an answer without an end is cut off', async () => {
  const piece = Buffer.alloc(1_048_576);
  const { handler, request } = await handlerFor((_, response) => {
    const more = (): void => {
      if (response.destroyed) return;
      if (response.write(piece)) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  });
  await expect(handler.handle(request())).rejects.toThrow(
    'The answer is longer than 33554432 bytes',
  );
});

test('destroy ends what is under way, and no socket stays open', async () => {
  const began = Promise.withResolvers<IncomingMessage>();
  const { handler, request } = await handlerFor((incoming) => began.resolve(incoming));
  const asked = handler.handle(request());
  const { socket } = await began.promise;
  const closed = once(socket, 'close');
  handler.destroy();
  await expect(asked).rejects.toThrow();
  await closed;
});
