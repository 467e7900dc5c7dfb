import { afterAll, beforeAll, expect, test } from 'vitest';
import { openRaw, sendRaw } from './support/raw-http.ts';
import { echoRoute, startTestServer, type TestServer } from './support/test-server.ts';

let app: TestServer;

beforeAll(async () => {
  app = await startTestServer([echoRoute()]);
});

afterAll(() => app[Symbol.asyncDispose]());

const post = 'POST /echo HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n';

test.each([
  ['no HTTP at all', 'hello\r\n\r\n', 400, 'malformed_request'],
  ['TLS on a plain port', Buffer.from('16030100a5010000a10303', 'hex'), 400, 'malformed_request'],
  ['a bad version', 'GET / HTTP/9.9\r\n\r\n', 400, 'malformed_request'],
  ['a header without a name', 'GET / HTTP/1.1\r\n: x\r\n\r\n', 400, 'malformed_request'],
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n', 400, 'malformed_request'],
  ['two hosts', 'GET /livez HTTP/1.1\r\nHost: x\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  [
    'two different hosts by the older version',
    'GET /livez HTTP/1.0\r\nhOST: x\r\nA: b\r\nHost: y\r\n\r\n',
    400,
    'malformed_request',
  ],
  ['HTTP/0.9', 'GET /livez\r\n\r\n', 400, 'malformed_request'],
  ['HTTP/0.9 by name', 'GET /livez HTTP/0.9\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  ['HTTP/2', 'GET /livez HTTP/2.0\r\nHost: x\r\n\r\n', 400, 'malformed_request'],
  [
    'headers of 20 kB',
    `GET / HTTP/1.1\r\nHost: x\r\nA: ${'a'.repeat(20_000)}\r\n\r\n`,
    431,
    'headers_too_large',
  ],
  ['a bad chunk size', `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\n`, 400, 'malformed_request'],
  [
    'two lengths',
    `${post}Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}`,
    400,
    'malformed_request',
  ],
  [
    'length and chunks',
    `${post}Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
    'malformed_request',
  ],
  ['a negative length', `${post}Content-Length: -1\r\n\r\n`, 400, 'malformed_request'],
])('%s gets a problem and the connection closes', async (_name, bytes, status, code) => {
  const raw = await sendRaw(app.port, bytes);
  expect(raw).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  const body = JSON.parse(raw.slice(raw.indexOf('\r\n\r\n') + 4)) as object;
  expect(body).toMatchObject({ status, code });
});

test.each([
  'ftp://x/livez',
  'file:///livez',
  'javascript:alert(1)',
  'x:80/livez',
  'livez',
  'http://y/livez',
  'http:///livez',
  'http://u:p@x/livez',
  'https://x:80/livez',
])('the target %s is refused and the connection closes', async (target) => {
  const raw = await sendRaw(app.port, `GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  expect(raw).toMatch(/^HTTP\/1.1 400 [^]*"code":"malformed_request"/);
});

test.each([
  ['http://x/livez', 200],
  ['HTTPS://X/version?', 200],
  ['http://x/version?a=1', 400],
  ['http://x?a=1', 400],
  ['//y/livez', 404],
  ['*', 404],
])('the target %s is understood as its path: %i', async (target, status) => {
  const raw = await sendRaw(
    app.port,
    `GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
  );
  expect(raw).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  expect(raw).not.toContain('malformed_request');
});

test('a caller that leaves in the middle of its body aborts nothing but its own request', async () => {
  using connection = await openRaw(app.port);
  connection.socket.write(`${post}Content-Length: 100\r\n\r\n{"name":`);
  connection.socket.destroy();
  await expect
    .poll(() => app.lines.some((line) => line['path'] === '/echo' && line['complete'] === false))
    .toBe(true);
  expect((await fetch(`${app.url}/livez`)).status).toBe(200);
});

test('pipelined requests are answered in order', async () => {
  const one = (name: string, connection: string) => {
    const body = JSON.stringify({ name });
    return `${post}Content-Length: ${body.length}\r\nConnection: ${connection}\r\n\r\n${body}`;
  };
  const raw = await sendRaw(app.port, one('first', 'keep-alive') + one('second', 'close'));
  expect(raw.indexOf('first')).toBeGreaterThan(0);
  expect(raw.indexOf('second')).toBeGreaterThan(raw.indexOf('first'));
});
