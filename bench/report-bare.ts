// The reference of the report benchmark: fetches the same pages in as many lanes, with the HTTP
// client and settings of the service, parses each to find the next, and does nothing else.
// node bench/report-bare.ts <base url> <client id> <client secret> <from> <to> <windows> <lanes>
import { Agent, request } from 'undici';

const [base = '', id = '', secret = '', from = '', to = '', windows = '8', lanes = '4'] =
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

let pages = 0;
let conversations = 0;

async function readWindow(fromMs: number, toMs: number): Promise<void> {
  let cursor: string | undefined;
  do {
    const answer = await request(`${base}/api/v2/analytics/conversations/details/query`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', authorization: `Bearer ${token}` },
      body: JSON.stringify({
        dateFrom: new Date(fromMs).toISOString(),
        dateTo: new Date(toMs).toISOString(),
        view: 'conversation',
        metrics: [{ name: 'conversationCount' }],
        dimensions: ['customAttributes'],
        entity: { id: 'interactions' },
        pageSize: 1000,
        ...(cursor === undefined ? {} : { cursor }),
      }),
      dispatcher: agent,
    });
    const text = await answer.body.text();
    if (answer.statusCode !== 200) throw new Error(`${answer.statusCode}: ${text.slice(0, 500)}`);
    const body = JSON.parse(text) as { page: unknown[]; nextPageToken?: string };
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
await agent.close();
