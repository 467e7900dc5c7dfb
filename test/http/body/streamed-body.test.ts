import { expect, test } from 'vitest';
import { STREAM_BYTES } from '../../../src/http/body/streamed-body.ts';
import type { Route } from '../../../src/http/route.ts';
import { openRaw } from '../support/raw-http.ts';
import { echoRoute, startTestServer } from '../support/test-server.ts';

const HEAD =
  'POST /lines HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/x-ndjson\r\nContent-Length: 400000\r\n\r\n';
const LINE = 'x'.repeat(399_999);

const lines: Route = echoRoute({
  path: '/lines',
  operationId: 'lines',
  streams: ['application/x-ndjson'],
  async handle({ stream }) {
    let bytes = 0;
    for await (const chunk of stream ?? []) bytes += chunk.length;
    return { status: 200, body: { bytes } };
  },
});

test('more streams than there is memory for get a 503 before they send, and there is room again', async () => {
  await using app = await startTestServer([lines], {
    limits: { heldBodyBytes: 2 * STREAM_BYTES },
  });
  const held = [await openRaw(app.port), await openRaw(app.port)];
  for (const { socket } of held) socket.write(`${HEAD}\n`);
  const ask = async () => {
    using asking = await openRaw(app.port);
    asking.socket.write(`${HEAD}${'\n'.repeat(400_000)}`);
    return (await asking.closed).toLowerCase();
  };
  await expect.poll(ask).toMatch(/^http\/1.1 503 [^]*retry-after: 1\r\n[^]*"overloaded"/);
  held[0]?.socket.destroy();
  await expect.poll(ask).toMatch(/^http\/1.1 200 [^]*{"bytes":400000}/);
  held[1]?.socket.destroy();
});

test('long lines count while they come, and only they are refused', async () => {
  await using app = await startTestServer([lines], {
    limits: { heldBodyBytes: 3 * STREAM_BYTES + 500_000 },
  });
  using short = await openRaw(app.port);
  short.socket.write(`${HEAD}\n`);
  using first = await openRaw(app.port);
  first.socket.write(HEAD + LINE);
  using second = await openRaw(app.port);
  second.socket.write(HEAD + LINE);
  const refused = await Promise.race([first.closed, second.closed]);
  expect(refused).toMatch(/^HTTP\/1.1 503 [^]*"overloaded"/);
  short.socket.write('\n'.repeat(399_999));
  expect(await short.closed).toMatch(/^HTTP\/1.1 200 /);
});
