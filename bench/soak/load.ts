import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import { request } from 'undici';
import type { Lives, Status } from './lives.ts';
import { readImportAnswer, readMapAnswer } from './map-answers.ts';
import type { Problems } from './problems.ts';
import type { RecordBook } from './records.ts';

export interface LoadOptions {
  readonly lives: Lives;
  readonly book: RecordBook;
  readonly problems: Problems;
  readonly random: () => number;
  readonly signal: AbortSignal;
}

export interface LoadTally {
  /** Requests by path and status; `cut off` when the service was ended meanwhile. */
  readonly requests: ReadonlyMap<string, number>;
}

interface Answer {
  readonly status: number;
  readonly text: string;
}

const ORGANISATIONS = ['acme', 'acme-emea', 'acme-emea-support'];
const IMPORT = 'application/x-ndjson';
/** What Genesys' troubles may make of a request. */
const UPSTREAM = [403, 502, 503, 504];

/** Everything that callers do, all at once, until the signal aborts. */
export async function runLoad(options: LoadOptions): Promise<LoadTally> {
  const { lives, book, problems, random, signal } = options;
  const requests = new Map<string, number>();

  function count(what: string): void {
    requests.set(what, (requests.get(what) ?? 0) + 1);
  }

  /** `undefined`: cut off, which only the end of the service excuses. */
  async function call(
    method: 'GET' | 'POST',
    path: string,
    allowed: readonly number[],
    body?: { readonly type: string; readonly content: string | Readable },
  ): Promise<Answer | undefined> {
    const life = lives.running;
    if (life === undefined || life.ending) return { status: 503, text: '{}' };
    const [route = path] = path.split('?');
    let status = 0;
    let text = '';
    try {
      const answer = await request(life.process.url + path, {
        method,
        ...(body === undefined
          ? {}
          : { headers: { 'content-type': body.type }, body: body.content }),
        headersTimeout: 60_000,
        bodyTimeout: 60_000,
      });
      status = answer.statusCode;
      for await (const chunk of answer.body.setEncoding('utf8')) text += String(chunk);
      count(`${route} ${status}`);
      if (!allowed.includes(status)) {
        problems.add('unexpected answer', `${method} ${path} ${status}: ${text}`);
      }
      return { status, text };
    } catch (error) {
      count(`${route} cut off`);
      if (!life.ending) problems.add('request cut off', `${method} ${path}: ${String(error)}`);
      // Of an import the lines that came count; half a JSON document says nothing.
      return text !== '' && body?.type === IMPORT ? { status, text } : undefined;
    }
  }

  async function every(ms: number, work: () => Promise<unknown>): Promise<void> {
    while (!signal.aborted) {
      await work();
      await sleep(ms * (0.5 + random()), undefined, { signal }).catch(() => undefined);
    }
  }

  const organisation = () => ORGANISATIONS[Math.floor(random() * ORGANISATIONS.length)] ?? 'acme';
  const skip = () => (random() < 0.5 ? 'skipUnchanged=true' : 'skipUnchanged=false');

  async function mapFew(): Promise<void> {
    const orgId = organisation();
    const records = book.take(orgId, 1 + Math.floor(random() * 5));
    const content = JSON.stringify({ orgId, records: records.map(shown) });
    const answer = await call('POST', `/map?${skip()}`, [200, 207, 400, ...UPSTREAM], {
      type: 'application/json',
      content,
    });
    readMapAnswer(records, answer, book, problems);
  }

  async function importMany(): Promise<void> {
    const orgId = organisation();
    const records = book.take(orgId, 100 + Math.floor(random() * 1900));
    async function* pieces(): AsyncGenerator<string> {
      for (let from = 0; from < records.length; from += 200) {
        const lines = records
          .slice(from, from + 200)
          .map((record) => JSON.stringify(shown(record)));
        yield `${lines.join('\n')}\n`;
        await sleep(20 * random());
      }
    }
    const path = `/map?orgId=${orgId}&${skip()}`;
    const answer = await call('POST', path, [200, ...UPSTREAM], {
      type: IMPORT,
      content: Readable.from(pieces()),
    });
    readImportAnswer(records, answer, book, problems);
  }

  async function simulate(): Promise<void> {
    const event = { priority: random() < 0.5 ? 'high' : 'low', type: 'voice' };
    await call('POST', '/simulate', [200, 400, 503], {
      type: 'application/json',
      content: JSON.stringify(event),
    });
  }

  async function deadLetters(): Promise<void> {
    const allowed = [200, 409, 502, 503, 504];
    await call('GET', '/dead-letters?peek=5', allowed);
    await call('POST', `/dead-letters/replay?max=200&dryRun=${random() < 0.3}`, allowed);
  }

  async function scrape(): Promise<void> {
    const life = lives.running;
    const status = await call('GET', '/status', [200, 503]);
    if (status?.status === 200 && life !== undefined)
      life.status = JSON.parse(status.text) as Status;
    await call('GET', '/metrics', [200, 503]);
    await call('GET', '/livez', [200, 503]);
  }

  await Promise.all([
    every(120, mapFew),
    every(1500, importMany),
    every(200, simulate),
    every(3000, () =>
      call('GET', `/report?days=${1 + Math.floor(random() * 10)}&detail=true`, [200, ...UPSTREAM]),
    ),
    every(6000, deadLetters),
    every(500, scrape),
  ]);
  return { requests };
}

function shown({ ticketId, priority, sourceChannel }: ReturnType<RecordBook['take']>[number]) {
  return { ticketId, priority, sourceChannel };
}
