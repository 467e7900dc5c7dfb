import { request } from 'undici';
import { expect } from 'vitest';
import { testAttack } from './support/attack.ts';
import { createOutcomes } from './support/requests.ts';

const STRANGERS = 8;
/** A graceful stop, and what the log gets of it. */
const ENDS_WITHIN_MS = 15_000;

testAttack({
  attack: 'nobody reads the log',
  forMs: 15_000,
  settings: { LOG_LEVEL: 'debug' },
  logsToPipe: true,
  async run({ service, credentials, signal }) {
    service.child.stdout?.pause();
    const outcomes = createOutcomes();
    async function ask(path: string, headers: Record<string, string>): Promise<void> {
      while (!signal.aborted) {
        const answer = await request(service.url + path, { method: 'POST', headers });
        await answer.body.dump();
        outcomes.add(answer.statusCode);
      }
    }
    await Promise.all([
      // A line each, of some length.
      ask('/map', { ...credentials, 'x-request-id': 'x'.repeat(128) }),
      ...Array.from({ length: STRANGERS }, () => ask('/map', { 'x-api-key': 'ib_unknown' })),
      ...Array.from({ length: STRANGERS }, () => ask('/nowhere', {})),
    ]);
    return outcomes.toString();
  },
  async ends(service) {
    const startedMs = performance.now();
    expect(await service.stop()).toBe(0);
    expect(performance.now() - startedMs).toBeLessThan(ENDS_WITHIN_MS);
  },
});
