// The reference of the map benchmark: parses the lines of a file and POSTs them in batches, with
// the HTTP client and settings of the service, and nothing else.
// node bench/map-bare.ts <file> <base url> <client id> <client secret> <batch size> <in flight>
import { createReadStream } from 'node:fs';
import { Agent, request } from 'undici';

const [file = '', base = '', id = '', secret = '', size = '1000', inFlight = '4'] =
  process.argv.slice(2);
const agent = new Agent({ connections: 32, allowH2: false });

const granted = await request(`${base}/oauth/token`, {
  method: 'POST',
  headers: {
    'content-type': 'application/x-www-form-urlencoded',
    authorization: `Basic ${Buffer.from(`${id}:${secret}`).toString('base64')}`,
  },
  body: 'grant_type=client_credentials',
  dispatcher: agent,
});
const { access_token: token } = (await granted.body.json()) as { access_token: string };

const sending = new Set<Promise<void>>();
let records = 0;
let batch: unknown[] = [];

async function post(entities: unknown[]): Promise<void> {
  const answer = await request(`${base}/api/v2/customattributes/batch`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
    body: JSON.stringify({ entities, partialUpdate: true }),
    dispatcher: agent,
  });
  JSON.parse(await answer.body.text());
  if (answer.statusCode !== 200) throw new Error(`The sandbox answered ${answer.statusCode}`);
}

async function flush(): Promise<void> {
  if (batch.length === 0) return;
  while (sending.size >= Number(inFlight)) await Promise.race(sending);
  records += batch.length;
  const sent = post(batch).finally(() => sending.delete(sent));
  sending.add(sent);
  batch = [];
}

const startedMs = performance.now();
let rest = '';
for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
  const lines = (rest + String(chunk)).split('\n');
  rest = lines.pop() ?? '';
  for (const line of lines) {
    batch.push(JSON.parse(line));
    if (batch.length >= Number(size)) await flush();
  }
}
await flush();
await Promise.all(sending);
console.log(JSON.stringify({ records, elapsedMs: performance.now() - startedMs }));
await agent.close();
