// Routes that answer JSON lines while they read them, and callers that do not behave.
import { describe, expect, test } from 'vitest';
import { rawEvent, startSimulateServer } from '../../events/simulation/support/simulate-server.ts';
import { startMapApp, tickets } from '../../support/map-app.ts';
import { openRaw } from '../support/raw-http.ts';

type Line = Readonly<Record<string, unknown>>;

interface StreamedRoute {
  readonly url: string;
  readonly path: string;
  /** A good line. */
  readonly line: string;
  /** Everything logged, as one text. */
  readonly log: () => string;
  readonly stop: (timeoutMs: number) => Promise<void>;
}

async function startSimulate(options: { bodyTimeoutMs?: number } = {}): Promise<StreamedRoute> {
  const { server } = await startSimulateServer(options);
  return {
    url: server.url,
    path: '/simulate',
    line: JSON.stringify(rawEvent()),
    log: () => server.lines.map((line) => JSON.stringify(line)).join('\n'),
    stop: (timeoutMs) => server.server.stop(timeoutMs),
  };
}

async function startMap(options: { bodyTimeoutMs?: number } = {}): Promise<StreamedRoute> {
  const app = await startMapApp({ ...options, lingerMs: 1 });
  const [record] = tickets(1);
  return { ...app, path: '/map?orgId=acme', line: JSON.stringify(record) };
}

async function openStream({ url, path }: StreamedRoute) {
  const raw = await openRaw(Number(new URL(url).port));
  raw.socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
  );
  return {
    raw,
    /** @returns whether more may be sent at once */
    send: (text: string) =>
      raw.socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`),
    end: () => raw.socket.write('0\r\n\r\n'),
  };
}

function linesOf(received: string): Line[] {
  return received
    .split(/\r?\n/)
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Line);
}

/** Requests that hold a slot, without the one that asks. */
async function inFlight({ url }: StreamedRoute): Promise<number> {
  const metrics = await (await fetch(`${url}/metrics`)).text();
  return Number(/^bridge_http_in_flight (\d+)$/m.exec(metrics)?.[1]) - 1;
}

const START = { '/simulate': startSimulate, '/map': startMap };

describe.each(['/simulate', '/map'] as const)('%s', (name) => {
  const start = START[name];
  const lastOf = (received: string): Line => {
    const last = linesOf(received).at(-1) ?? {};
    return 'summary' in last ? (last['summary'] as Line) : last;
  };
  const codeOf = (last: Line): unknown =>
    name === '/map' ? (last['error'] as Line | undefined)?.['code'] : last['code'];

  test.each([
    ['deep', `{"a":${'['.repeat(100_000)}${']'.repeat(100_000)}}`],
    ['deep and never closed', '[{"a":'.repeat(100_000)],
    ['long', `{"a":"${'x'.repeat(3_000_000)}"}`],
  ])('a line that is %s is refused by its number, and the rest goes on', async (_how, bad) => {
    const route = await start();
    const { raw, send, end } = await openStream(route);
    send(`${route.line}\n${bad}\n${route.line}\n`);
    end();
    const lines = linesOf(await raw.closed);
    if (name === '/map') {
      const rejected = lines.flatMap((line) => (line['rejected'] as Line | undefined) ?? []);
      expect(rejected).toMatchObject([{ line: 2, errors: [{ rule: 'json' }] }]);
      expect(lines.at(-1)).toMatchObject({ summary: { read: 3, rejected: 1 } });
    } else {
      expect(lines).toMatchObject([
        { line: 1, outcome: 'publish' },
        { line: 2, outcome: 'dead-letter' },
        { line: 3, outcome: 'publish' },
        { status: 'done' },
      ]);
    }
  });

  test('at a stop in the middle the last line says that it was cut off', async () => {
    const route = await start();
    const { raw, send } = await openStream(route);
    send(`${route.line}\n`);
    await expect.poll(() => linesOf(raw.received)).toHaveLength(1);

    await route.stop(50);

    const received = await raw.closed;
    expect(codeOf(lastOf(received))).toBe('shutting_down');
    expect(received, 'the answer is whole').toMatch(/\r\n0\r\n\r\n$/);
  });

  test('a caller that leaves in the middle gives its slot back', async () => {
    const route = await start();
    const { raw, send } = await openStream(route);
    send(`${route.line}\n`);
    await expect.poll(() => linesOf(raw.received)).toHaveLength(1);
    expect(await inFlight(route)).toBe(1);

    raw.socket.destroy();

    await expect.poll(() => inFlight(route)).toBe(0);
    expect(route.log()).not.toMatch(/"level":[56]0/);
  });

  test('a caller that falls silent in the middle is told so, and gives its slot back', async () => {
    const route = await start({ bodyTimeoutMs: 300 });
    const { raw, send } = await openStream(route);
    send(`${route.line}\n`);
    expect(codeOf(lastOf(await raw.closed))).toBe('body_timeout');
    await expect.poll(() => inFlight(route)).toBe(0);
  });
});

test('/simulate: a caller that never reads its answer is held back, cut off, and gives its slot back', async () => {
  const route = await startSimulate({ bodyTimeoutMs: 300 });
  const { raw, send } = await openStream(route);
  raw.socket.pause();
  const chunk = `${route.line}\n`.repeat(100);
  let sent = 0;
  const pump = () => {
    do sent += chunk.length;
    while (send(chunk) && sent < 200_000_000);
  };
  raw.socket.on('drain', pump);
  pump();

  await expect.poll(() => route.log(), { timeout: 20_000 }).toContain('answer_not_read');
  raw.socket.off('drain', pump).destroy();
  await expect.poll(() => inFlight(route)).toBe(0);
  expect(sent).toBeLessThan(100_000_000);
});
