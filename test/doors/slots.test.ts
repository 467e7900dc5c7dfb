import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { type Target, testAttack } from './support/attack.ts';
import { createOutcomes, openSocket } from './support/requests.ts';

/** As many as the descriptors of a process allow by default, on both sides, and a machine has ports for. */
const CONNECTIONS = 6000;
const OPENED_AT_ONCE = 100;
const ASK_EVERY_MS = 100;

/** Holds connections open, opens new ones for those that are gone, and asks as an honest caller. */
async function occupy(
  { service, port, credentials, signal }: Target,
  begin: (socket: Socket) => void,
  trickle?: (socket: Socket) => void,
): Promise<string> {
  const sockets = new Set<Socket>();
  let opened = 0;
  async function open(): Promise<void> {
    while (!signal.aborted) {
      if (sockets.size >= CONNECTIONS) {
        await sleep(10);
        continue;
      }
      const socket = await openSocket(port);
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket)).resume();
      opened += 1;
      begin(socket);
      await sleep(1);
    }
  }
  const trickling = setInterval(() => {
    for (const socket of sockets) if (socket.writable) trickle?.(socket);
  }, 1000);
  const honest = createOutcomes();
  const asking = async () => {
    while (!signal.aborted) {
      const options = { method: 'POST', headers: credentials, headersTimeout: 2000 } as const;
      const answer = await request(`${service.url}/simulate`, options).catch(() => undefined);
      await answer?.body.dump();
      honest.add(answer?.statusCode ?? 'no answer');
      await sleep(ASK_EVERY_MS);
    }
  };
  await Promise.all([asking(), ...Array.from({ length: OPENED_AT_ONCE }, open)]);
  clearInterval(trickling);
  const held = sockets.size;
  for (const socket of sockets) socket.destroy();
  return `${opened} opened, ${held} held at the end; an honest caller got ${honest.toString()}`;
}

testAttack({
  attack: 'idle connections',
  forMs: 10_000,
  run: (target) => occupy(target, () => undefined),
});

testAttack({
  attack: 'JSON bodies that trickle',
  forMs: 10_000,
  run: (target) =>
    occupy(
      target,
      (socket) => {
        socket.write(
          `POST /map HTTP/1.1\r\nHost: x\r\nx-api-key: ${target.credentials['x-api-key']}\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n`,
        );
      },
      (socket) => socket.write(' '),
    ),
});

testAttack({
  attack: 'streamed bodies that trickle',
  forMs: 10_000,
  run: (target) =>
    occupy(
      target,
      (socket) => {
        socket.write(
          `POST /simulate HTTP/1.1\r\nHost: x\r\nx-api-key: ${target.credentials['x-api-key']}\r\nContent-Type: application/x-ndjson\r\nContent-Length: 100000\r\n\r\n`,
        );
      },
      (socket) => socket.write('\n'),
    ),
});
