// A client in a process of its own: asks /livez again and again until it gets a message, and says
// how long the answers took. So the load of the other clients does not count.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

const PAUSE_MS = 10;
const url = `${process.argv[2]}/livez`;
const tookMs: number[] = [];
const statuses = new Set<number>();

function ask(): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, (answer) => {
      answer.resume().once('end', () => resolve(answer.statusCode ?? 0));
    })
      .once('error', reject)
      .end();
  });
}

process.once('message', () => {
  process.send?.({ tookMs, statuses: [...statuses] }, () => process.disconnect());
});
while (process.connected) {
  const startedMs = performance.now();
  statuses.add(await ask());
  tookMs.push(performance.now() - startedMs);
  await sleep(PAUSE_MS);
}
