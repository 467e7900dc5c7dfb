import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { testAttack } from './support/attack.ts';
import { openSocket } from './support/requests.ts';

const AT_ONCE = 20;
const HEAD = 'POST /map HTTP/1.1\r\nHost: x\r\n';
const BYTES: readonly (() => string | Buffer)[] = [
  () => randomBytes(20_000),
  () => `${HEAD}X: ${'x'.repeat(100_000)}\r\n\r\n`,
  () => `${HEAD}Transfer-Encoding: chunked\r\n\r\nzz\r\n`,
  () => `${HEAD}Content-Length: 5\r\nContent-Length: 6\r\n\r\n`,
];

testAttack({
  attack: 'bytes that are no HTTP',
  forMs: 5000,
  async run({ port, signal }) {
    let connections = 0;
    async function attack(): Promise<void> {
      while (!signal.aborted) {
        const socket = await openSocket(port);
        socket.resume().write(BYTES[connections % BYTES.length]?.() ?? '');
        connections += 1;
        await sleep(20);
        socket.destroy();
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    return `${connections} connections`;
  },
});
