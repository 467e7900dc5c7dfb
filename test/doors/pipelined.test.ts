import { setTimeout as sleep } from 'node:timers/promises';
import { testAttack } from './support/attack.ts';
import { openSocket } from './support/requests.ts';

const AT_ONCE = 20;
const PER_CONNECTION = 300;
/** 12,000 requests a second. */
const PAUSE_MS = 500;
const REQUESTS = 'GET /status HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(PER_CONNECTION);

testAttack({
  attack: 'pipelined requests of callers that leave',
  forMs: 8000,
  async run({ port, signal }) {
    let connections = 0;
    async function attack(): Promise<void> {
      while (!signal.aborted) {
        const socket = await openSocket(port);
        socket.write(REQUESTS, () => socket.destroy());
        connections += 1;
        await sleep(PAUSE_MS);
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    return `${connections} connections with ${PER_CONNECTION} × GET /status, no credentials`;
  },
});
