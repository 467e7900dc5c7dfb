// The reference of the report benchmark: fetches the same pages in as many lanes, with the HTTP
// client and settings of the service, parses each to find the next, and does nothing else. Twice:
// as a script that runs once, and again when it is warmed up.
// node bench/report-bare.ts <base url> <client id> <client secret> <from> <to> <windows> <lanes>
import { connectBare, measureTwice } from './bare-client.ts';

const DAY_MS = 86_400_000;
const [base = '', id = '', secret = '', from = '', to = '', windows = '8', lanes = '4'] =
  process.argv.slice(2);
const client = await connectBare(base, id, secret);

let pages = 0;

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
    cursor = body.nextPageToken;
  } while (cursor !== undefined);
}

/** Windows are cut at midnights, as the service's are: the last one may be shorter. */
async function readAll(): Promise<number> {
  pages = 0;
  const toMs = Date.parse(to);
  let nextMs = Date.parse(from);
  const stepMs = Math.ceil((toMs - nextMs) / DAY_MS / Number(windows)) * DAY_MS;
  await Promise.all(
    Array.from({ length: Number(lanes) }, async () => {
      while (nextMs < toMs) {
        const fromMs = nextMs;
        nextMs += stepMs;
        await readWindow(fromMs, Math.min(nextMs, toMs));
      }
    }),
  );
  return pages;
}

const rates = await measureTwice(readAll);
console.log(JSON.stringify({ pages, ...rates }));
await client.close();
