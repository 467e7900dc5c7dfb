// The reference of the map benchmark: parses the lines of a file, makes of each the entity that the
// service's mapping makes, and POSTs them in batches, with the HTTP client and settings of the
// service, and nothing else. Twice: as a script that runs once, and again when it is warmed up.
// node bench/map-bare.ts <file> <base url> <client id> <client secret> <batch size> <in flight>
import { createReadStream } from 'node:fs';
import { connectBare, measureTwice } from './bare-client.ts';

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

async function sendAll(): Promise<number> {
  records = 0;
  let rest = '';
  for await (const chunk of createReadStream(file, { encoding: 'utf8' })) {
    const lines = (rest + String(chunk)).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      batch.push(entityOf(JSON.parse(line) as CrmRecord));
      if (batch.length >= Number(size)) await flush();
    }
  }
  await flush();
  await Promise.all(sending);
  return records;
}

function entityOf({ ticketId, priority, sourceChannel }: CrmRecord): object {
  return {
    id: ticketId,
    crm_ticket_id: ticketId,
    crm_ticket_priority: priority,
    crm_channel_source: sourceChannel,
  };
}

interface CrmRecord {
  readonly ticketId: string;
  readonly priority: string;
  readonly sourceChannel: string;
}

console.log(JSON.stringify(await measureTwice(sendAll)));
await client.close();
