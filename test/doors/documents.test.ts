import { readdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect } from 'vitest';
import { testAttack } from './support/attack.ts';
import { openSocket } from './support/requests.ts';

const AT_ONCE = 20;
const PER_CONNECTION = 50;
const REQUESTS = ['/docs/', '/docs/swagger-ui.css', '/docs/swagger-ui-bundle.js', '/openapi.json']
  .map((path) => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`)
  .join('')
  .repeat(PER_CONNECTION / 4);
/** For what is open for a moment: a timer of ours, a probe, a call to AWS. */
const FEW = 20;

testAttack({
  attack: 'pipelined documents for callers that leave',
  forMs: 8000,
  async run({ service, port, signal }) {
    const descriptors = () => readdirSync(`/proc/${service.pid}/fd`).length;
    const before = descriptors();
    let connections = 0;
    async function attack(): Promise<void> {
      while (!signal.aborted) {
        const socket = await openSocket(port);
        socket.write(REQUESTS);
        connections += 1;
        await sleep(100);
        socket.destroy();
      }
    }
    await Promise.all(Array.from({ length: AT_ONCE }, attack));
    await sleep(1000);
    expect(descriptors()).toBeLessThan(before + FEW);
    return `${connections} connections with ${PER_CONNECTION} requests; descriptors ${before} before, ${descriptors()} after`;
  },
});
