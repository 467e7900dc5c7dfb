import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { type Target, testAttack } from './support/attack.ts';
import { createOutcomes, openSocket } from './support/requests.ts';

const EVENT = `${JSON.stringify({
  id: '8f0c2a44-0c9b-4c0e-9a3e-5f7f6d1c2b3a',
  resourceType: 'interaction',
  eventType: 'created',
  createdTime: '2026-03-01T12:00:00.123Z',
  payload: { type: 'voice', priority: 'high', routing: { queue: { name: 'Priority' } } },
})}\n`;
const DEEP = `${'[{"a":'.repeat(50_000)}\n`;
const AT_ONCE = 20;

async function open({ port, credentials }: Target, path = '/simulate') {
  const socket = await openSocket(port);
  socket.write(
    `POST ${path} HTTP/1.1\r\nHost: x\r\nx-api-key: ${credentials['x-api-key']}\r\nContent-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n`,
  );
  const send = (text: string) =>
    socket.write(`${Buffer.byteLength(text).toString(16)}\r\n${text}\r\n`);
  return { socket, send, end: () => socket.write('0\r\n\r\n') };
}

async function attackAtOnce(target: Target, attack: () => Promise<void>): Promise<void> {
  const repeat = async () => {
    while (!target.signal.aborted) {
      await attack();
      await sleep(50);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, repeat));
}

testAttack({
  attack: 'deep lines, and callers that leave in the middle of their answer',
  forMs: 5000,
  async run(target) {
    const outcomes = createOutcomes();
    await attackAtOnce(target, async () => {
      const { socket, send } = await open(target);
      send(EVENT + DEEP + EVENT + EVENT);
      const answer = new Promise<string>((resolve) => {
        let received = '';
        socket.on('data', (bytes: Buffer) => {
          received += bytes.toString();
          if (received.includes('"line":3')) resolve(received);
        });
        socket.once('close', () => resolve(received));
      });
      const received = await answer;
      // There are more of such lines than there is memory for at once.
      const isLater = received.startsWith('HTTP/1.1 503') || received.includes('"overloaded"');
      const isRefused = received.includes('"line":2');
      outcomes.add(isRefused ? 'refused by its number' : isLater ? 503 : 'not refused');
      socket.destroy();
    });
    expect(outcomes.toString()).toMatch(/^refused by its number × [\d,]+(?:, 503 × [\d,]+)?$/);
    return `${AT_ONCE} at once: ${outcomes.toString()}`;
  },
});

testAttack({
  attack: 'callers of /simulate that never read their answer',
  forMs: 10_000,
  async run(target) {
    let sentBytes = 0;
    const sockets = await Promise.all(
      Array.from({ length: AT_ONCE }, async () => {
        const { socket, send } = await open(target);
        const chunk = EVENT.repeat(200);
        const pump = () => {
          do sentBytes += chunk.length;
          while (!target.signal.aborted && send(chunk));
        };
        socket.pause().on('drain', pump);
        pump();
        return socket;
      }),
    );
    await new Promise((resolve) => {
      target.signal.addEventListener('abort', resolve);
    });
    for (const socket of sockets) socket.destroy();
    return `${AT_ONCE} held open; the service took ${Math.round(sentBytes / 1e6)} MB`;
  },
});

const ends: Promise<string>[] = [];

testAttack({
  attack: 'endless lines to /simulate and /map while the service is told to stop',
  forMs: 3000,
  async run(target) {
    for (const path of ['/simulate', '/map?orgId=acme&dryRun=true']) {
      const { socket, send } = await open(target, path);
      const line = path === '/simulate' ? EVENT : '{"ticketId":"T1","priority":"low"}\n';
      const timer = setInterval(() => {
        if (socket.writable) send(line);
      }, 20);
      let received = '';
      socket.on('data', (bytes: Buffer) => {
        received = (received + bytes.toString()).slice(-5000);
      });
      ends.push(
        new Promise((resolve) => {
          socket.once('close', () => {
            clearInterval(timer);
            resolve(received);
          });
        }),
      );
    }
    await new Promise((resolve) => {
      target.signal.addEventListener('abort', resolve);
    });
    return `${ends.length} streams; exit code 0, and the last lines say that they were cut off`;
  },
  async ends(service) {
    expect(await service.stop('SIGTERM')).toBe(0);
    for (const received of await Promise.all(ends)) {
      expect(received).toMatch(/shutting_down[^\n]*\r?\n\r\n0\r\n\r\n$/);
    }
  },
});
