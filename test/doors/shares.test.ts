import { setTimeout as sleep } from 'node:timers/promises';
import { Agent, request } from 'undici';
import { expect } from 'vitest';
import { digestOf } from '../../src/http/auth/api-keys.ts';
import { type Attack, type Target, testAttack } from './support/attack.ts';
import { createOutcomes } from './support/requests.ts';
import { startProber } from './support/watch.ts';

const KEYS = { attacker: 'ib_attacker', honest: 'ib_honest' };
const settings = {
  API_KEYS: Object.entries(KEYS)
    .map(([name, key]) => `${name}:map+report+simulate+operate:${digestOf(key).toString('hex')}`)
    .join(','),
};
const IDLE_MS = 2000;
/** Of what it takes while nobody else asks, and what is little in any case. */
const SMALL_FACTOR = 10;
const SMALL_MS = 250;
const AT_ONCE = 100;

/** Another caller writes a record again and again, from before the attack on. */
async function besideWrites(target: Target, attack: () => Promise<string>): Promise<string> {
  const look = startProber({
    url: `${target.service.url}/map`,
    method: 'POST',
    localAddress: '127.0.0.2',
    headers: { 'x-api-key': KEYS.honest, 'content-type': 'application/json' },
    body: JSON.stringify({
      orgId: 'acme-emea',
      records: [{ ticketId: 'T1', priority: 'high', sourceChannel: 'web' }],
    }),
  });
  await sleep(IDLE_MS);
  const idle = await look();
  const tried = await attack();
  const during = await look();
  expect(during.failures, 'every write of another caller is done').toEqual([]);
  expect(during.p99Ms).toBeLessThan(Math.max(SMALL_FACTOR * idle.p99Ms, SMALL_MS));
  return `${tried}; /map of another caller p99 ${Math.round(idle.p99Ms)} ms before, ${Math.round(during.p99Ms)} during`;
}

/** Asks with `atOnce` requests at a time, each for something else. */
async function askOften(
  { service, signal, credentials }: Target,
  atOnce: number,
  pathOf: (number: number) => string,
): Promise<string> {
  const outcomes = createOutcomes();
  const dispatcher = new Agent({ connections: atOnce });
  let asked = 0;
  async function ask(): Promise<void> {
    while (!signal.aborted) {
      asked += 1;
      const options = { headers: credentials, signal, dispatcher };
      try {
        const answer = await request(service.url + pathOf(asked), options);
        outcomes.add(answer.statusCode);
        await answer.body.dump({ limit: 10_000_000, signal });
      } catch (error) {
        if (!signal.aborted) throw error;
      }
      await sleep(200);
    }
  }
  await Promise.all(Array.from({ length: atOnce }, ask));
  await dispatcher.destroy();
  return outcomes.toString();
}

/** Without the limit of requests of one caller, which would turn most of it away. */
const unlimited: Attack['settings'] = { ...settings, HTTP_RATE_LIMIT_PER_MINUTE: '0' };

testAttack({
  attack: 'attributes of random organisations',
  forMs: 10_000,
  settings: unlimited,
  async run(target) {
    const { service, credentials } = target;
    const tried = await besideWrites(target, () =>
      askOften(target, AT_ONCE, (number) => `/attributes?orgId=random-${number}`),
    );
    const metrics = await fetch(`${service.url}/metrics`, { headers: credentials });
    const asked =
      /genesys_requests_total\{operation="list_attribute_definitions"[^}]*\} (\d+)/.exec(
        await metrics.text(),
      )?.[1];
    expect(Number(asked), 'what is asked of Genesys is bounded').toBeLessThan(700);
    return `${tried}; ${asked} asked of Genesys`;
  },
});
