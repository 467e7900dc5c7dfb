// The reference of the map benchmark: parses the lines of a file and POSTs them in batches, with
// the HTTP client and settings of the service, and nothing else.
// node bench/map-bare.ts <file> <base url> <client id> <client secret> <batch size> <in flight>
import { createReadStream } from 'node:fs';
import { connectBare } from './bare-client.ts';

const [file = '', base = '', id = '', secret = '', size = '1000', inFlight = '4'] =
  process.argv.slice(2);
const client = await connectBare(base, id, secret);

const sending = new Set<Promise<unknown>>();
let records = 0;
let batch: unknown[] = [];

async function flush(): Promise<void> {
  if (batch.length === 0) return;
  while (sending.size >= Number(inFlight)) await Promise.race(sending);
  records += batch.length;
  const body = { entities: batch, partialUpdate: true };
  const sent = client
    .post('/api/v2/customattributes/batch', body)
    .finally(() => sending.delete(sent));
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
await client.close();
