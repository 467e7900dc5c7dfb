// The reference of the report benchmark: fetches the same pages in as many lanes, with the HTTP
// client and settings of the service, parses each to find the next, and does nothing else.
// node bench/report-bare.ts <base url> <client id> <client secret> <from> <to> <windows> <lanes>
import { connectBare } from './bare-client.ts';

const [base = '', id = '', secret = '', from = '', to = '', windows = '8', lanes = '4'] =
  process.argv.slice(2);
const client = await connectBare(base, id, secret);

let pages = 0;
let conversations = 0;

async function readWindow(fromMs: number, toMs: number): Promise<void> {
  let cursor: string | undefined;
  do {
    const body = (await client.post('/api/v2/analytics/conversations/details/query', {
      dateFrom: new Date(fromMs).toISOString(),
      dateTo: new Date(toMs).toISOString(),
      view: 'conversation',
      metrics: [{ name: 'conversationCount' }],
      dimensions: ['customAttributes'],
      entity: { id: 'interactions' },
      pageSize: 1000,
      ...(cursor === undefined ? {} : { cursor }),
    })) as { page: unknown[]; nextPageToken?: string };
    pages += 1;
    conversations += body.page.length;
    cursor = body.nextPageToken;
  } while (cursor !== undefined);
}

const startMs = Date.parse(from);
const stepMs = (Date.parse(to) - startMs) / Number(windows);
const waiting = Array.from({ length: Number(windows) }, (_, index) => startMs + index * stepMs);
const startedMs = performance.now();
await Promise.all(
  Array.from({ length: Number(lanes) }, async () => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      await readWindow(next, next + stepMs);
    }
  }),
);
console.log(JSON.stringify({ pages, conversations, elapsedMs: performance.now() - startedMs }));
await client.close();
