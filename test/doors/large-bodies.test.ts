import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import { expect } from 'vitest';
import { settings } from '../../src/settings/settings.ts';
import { type Target, testAttack } from './support/attack.ts';
import { createOutcomes, flood } from './support/requests.ts';

const BODY_BYTES = settings.HTTP_BODY_LIMIT_BYTES.default;
const MAX_VALUES = settings.HTTP_MAX_JSON_VALUES.default;
const MAX_RECORDS = settings.MAP_MAX_RECORDS.default;

const mapBody = (records: string) => `{"orgId":"acme","records":[${records}]}`;
const emptyObjects = (count: number) => `${'{},'.repeat(count - 1)}{}`;

/** As a middleware sends them; each request has its own. */
function honestRecord(request: number, index: number): string {
  return `{"ticketId":"T${request}-${index}","priority":"high","sourceChannel":"web"}`;
}

function* honestRecords(request: number, count: number): Generator<string> {
  for (let index = 0; index < count; index += 1) yield honestRecord(request, index);
}

/** Sends `body` to both routes that take JSON, over and over, on some connections each. */
async function floodBoth(
  { service, credentials, signal }: Target,
  body: string,
  connections: number,
): Promise<string> {
  const headers = { ...credentials, 'content-type': 'application/json' };
  const [map, simulate] = await Promise.all(
    ['/map', '/simulate'].map((path) =>
      flood(`${service.url}${path}`, { headers, body, connections, signal }),
    ),
  );
  return `/map ${String(map)}; /simulate ${String(simulate)}`;
}

testAttack({
  attack: 'JSON bodies of 10 MB of empty objects',
  forMs: 5000,
  run: async (target) =>
    `two at once: ${await floodBoth(target, mapBody(emptyObjects(3_500_000)), 1)}`,
});

testAttack({
  attack: 'the same in chunks, of no declared size',
  forMs: 5000,
  async run({ service, credentials, signal }) {
    const headers = { ...credentials, 'content-type': 'application/json' };
    const outcomes = createOutcomes();
    const chunk = Buffer.from('{},'.repeat(20_000));
    function* pieces(): Generator<Buffer> {
      yield Buffer.from('{"orgId":"acme","records":[');
      for (let sent = 0; sent < 10_000_000; sent += chunk.length) yield chunk;
    }
    async function attack(): Promise<void> {
      while (!signal.aborted) {
        const body = Readable.from(pieces());
        const answer = await request(`${service.url}/map`, { method: 'POST', headers, body }).catch(
          () => undefined,
        );
        await answer?.body.dump();
        outcomes.add(answer?.statusCode ?? 'cut off');
        await sleep(20);
      }
    }
    await Promise.all([attack(), attack()]);
    return `two at once: ${outcomes.toString()}`;
  },
});

testAttack({
  attack: 'as many empty objects as the largest JSON body has room for',
  forMs: 5000,
  run: async (target) =>
    `24 at once: ${await floodBoth(target, mapBody(emptyObjects(Math.floor(BODY_BYTES / 3) - 20)), 12)}`,
});

testAttack({
  attack: 'as many values as a JSON body may have',
  forMs: 5000,
  run: async (target) =>
    `24 at once: ${await floodBoth(target, mapBody(`{"a":[${emptyObjects(MAX_VALUES - 10)}]}`), 12)}`,
});

testAttack({
  attack: 'JSON bodies as large as they may be, of honest records',
  forMs: 5000,
  async run({ service, credentials, signal }) {
    const bytes = Math.floor(BODY_BYTES / MAX_RECORDS) - 100;
    const note = 'x'.repeat(bytes);
    const records = Array.from(
      { length: MAX_RECORDS },
      (_, index) => `{"ticketId":"T${index}","priority":"high","note":"${note}"}`,
    );
    const headers = { ...credentials, 'content-type': 'application/json' };
    const body = mapBody(records.join(','));
    const url = `${service.url}/map?dryRun=true`;
    return `24 at once: ${String(await flood(url, { headers, body, connections: 24, signal }))}`;
  },
});

const REQUESTS = 25;
const RECORDS = 50_000;

testAttack({
  attack: '25 requests of 50,000 honest records in parallel',
  forMs: 30_000,
  // So many writes take minutes at the rate that Genesys usually allows.
  settings: { GENESYS_REQUESTS_PER_MINUTE: '100000' },
  async run({ service, credentials }) {
    const outcomes = createOutcomes();
    async function asJson(index: number): Promise<void> {
      const headers = { ...credentials, 'content-type': 'application/json' };
      const body = mapBody([...honestRecords(index, RECORDS)].join(','));
      const answer = await request(`${service.url}/map`, { method: 'POST', headers, body });
      expect(await answer.body.text()).toContain('application/x-ndjson');
      outcomes.add(`${answer.statusCode} as JSON`);
    }
    async function asLines(index: number): Promise<void> {
      const headers = { ...credentials, 'content-type': 'application/x-ndjson' };
      const answer = await request(`${service.url}/map?orgId=acme`, {
        method: 'POST',
        headers,
        body: [...honestRecords(index, RECORDS)].join('\n'),
        headersTimeout: 0,
        bodyTimeout: 0,
      });
      const lines = (await answer.body.text()).trimEnd().split('\n');
      const { summary } = JSON.parse(lines.at(-1) ?? '') as { summary: { written: number } };
      expect(summary).toMatchObject({ success: true, written: RECORDS });
      outcomes.add(`all written as NDJSON`);
    }
    const all = Array.from({ length: REQUESTS }, (_, index) => index);
    await Promise.all(all.map(asJson));
    await Promise.all(all.map(asLines));
    return outcomes.toString();
  },
});
