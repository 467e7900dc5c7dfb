// Somebody in a process of its own: asks the same on a new connection again and again, and answers
// each message with what it saw since the last one.
import { request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Question } from './watch.ts';

const PAUSE_MS = 20;
/** As in the manifest. */
const TIMEOUT_MS = 3000;

const { url, body, ...options } = JSON.parse(process.argv[2] ?? '') as Question;
let tookMs: number[] = [];
let failures: string[] = [];

function ask(): Promise<void> {
  return new Promise((resolve, reject) => {
    request(url, { ...options, agent: false, timeout: TIMEOUT_MS }, (answer) => {
      answer.resume().once('end', () => {
        if (answer.statusCode === 200) resolve();
        else reject(new Error(String(answer.statusCode)));
      });
    })
      .once('timeout', function (this: { destroy(error: Error): void }) {
        this.destroy(new Error(`no answer in ${TIMEOUT_MS} ms`));
      })
      .once('error', reject)
      .end(body);
  });
}

process.on('message', () => {
  process.send?.({ tookMs, failures });
  tookMs = [];
  failures = [];
});
while (process.connected) {
  const startedMs = performance.now();
  await ask().catch((error: Error) => failures.push(error.message));
  tookMs.push(performance.now() - startedMs);
  await sleep(PAUSE_MS);
}
