import { once } from 'node:events';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { UnlistedRecords } from '../../../src/attributes/unlisted-lines.ts';
import { ndjson, startMapApp, tickets } from '../../support/map-app.ts';

const BATCH = 'genesys.customattributes.batch';
type Line = Record<string, Record<string, unknown>>;

function summaryOf(lines: readonly Line[]): Record<string, unknown> {
  const last = lines.at(-1)?.['summary'];
  if (last === undefined) throw new Error('The last line is no summary');
  return last;
}

function only(lines: readonly Line[], kind: string): Record<string, unknown>[] {
  return lines.flatMap((line) => (line[kind] === undefined ? [] : [line[kind]]));
}

/** A chunked POST /map whose body the test writes piece by piece. */
function openImport(url: string) {
  const request = httpRequest(`${url}/map?orgId=acme`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-ndjson' },
  });
  const lines: Line[] = [];
  let text = '';
  const answered = once(request, 'response').then(([response]) => {
    const incoming = response as import('node:http').IncomingMessage;
    incoming.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
      const parts = text.split('\n');
      text = parts.pop() ?? '';
      for (const part of parts) lines.push(JSON.parse(part) as Line);
    });
    return incoming;
  });
  answered.catch(() => undefined);
  return { request, lines, answered };
}

describe('POST /map with NDJSON', () => {
  test('a progress line per batch, and a summary last', async () => {
    const app = await startMapApp({ batchSize: 100 });

    const lines = await app.stream(ndjson(tickets(250)));

    expect(only(lines, 'progress')).toHaveLength(3);
    expect(only(lines, 'progress').at(-1)).toMatchObject({ written: 250, rejected: 0, failed: 0 });
    expect(summaryOf(lines)).toMatchObject({
      success: true,
      status: 200,
      read: 250,
      written: 250,
      rejected: 0,
      failed: 0,
    });
    expect(app.sandbox.records.stored.size).toBe(250);
  });

  test('a bad line is one rejected record with its line number', async () => {
    const app = await startMapApp({ maxLineBytes: 1000 });

    const lines = await app.stream(
      [
        '{"ticketId":"T1","priority":"low"}',
        '',
        'not json',
        'null',
        '{"ticketId":"T5","__proto__":{"x":1}}',
        `{"ticketId":"${'x'.repeat(2000)}"}`,
        '{"ticketId":"T7","priority":"wrong"}',
        '{"ticketId":"T8"}',
      ].join('\r\n'),
    );

    expect(
      only(lines, 'rejected').map(({ line, errors }) => [
        line,
        (errors as { rule: string }[])[0]?.rule,
      ]),
    ).toEqual([
      [3, 'json'],
      [4, 'object'],
      [5, 'object'],
      [6, 'json'],
      [7, 'regex'],
    ]);
    expect(summaryOf(lines)).toMatchObject({
      success: false,
      status: 207,
      read: 7,
      written: 2,
      rejected: 5,
    });
    expect(JSON.stringify(lines)).not.toContain('not json');
    expect([...app.sandbox.records.stored.keys()]).toEqual(['T1', 'T8']);
  });

  test('a line that is no UTF-8 or nests too deep is rejected; a real U+FFFD is written', async () => {
    const app = await startMapApp();
    const lines = await app.stream(
      Buffer.concat([
        Buffer.from('{"ticketId":"T1","sourceChannel":"B\xFCro"}\n', 'latin1'),
        Buffer.from('{"ticketId":"T2","sourceChannel":"B\uFFFDro"}\n'),
        Buffer.from(`{"ticketId":"T3","x":${'['.repeat(5000)}${']'.repeat(5000)}}\n`),
        Buffer.from('{"ticketId":"T4"}\n'),
      ]),
    );

    expect(
      only(lines, 'rejected').map(({ line, errors }) => [line, (errors as object[])[0]]),
    ).toEqual([
      [1, { attribute: 'record', rule: 'json', message: 'is not UTF-8' }],
      [3, { attribute: 'record', rule: 'json', message: 'nests deeper than 128 levels' }],
    ]);
    const { stored } = app.sandbox.records;
    expect([...stored.keys()]).toEqual(['T2', 'T4']);
    expect(stored.get('T2')?.entity['crm_channel_source']).toBe('B\uFFFDro');
  });

  test('later records win, whether the earlier one was sent or not', async () => {
    const app = await startMapApp({ batchSize: 4, maxInFlight: 4 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 5 });
    const versions = ['low', 'medium', 'high', 'critical'];
    const records = Array.from({ length: 400 }, (_, index) => ({
      ticketId: `T${index % 7}`,
      priority: versions[Math.floor(index / 7) % 4],
      sourceChannel: String(index),
    }));

    const lines = await app.stream(ndjson(records));

    const summary = summaryOf(lines);
    expect(summary['success']).toBe(true);
    expect(Number(summary['written']) + Number(summary['superseded'])).toBe(400);
    expect(only(lines, 'superseded')).toHaveLength(Number(summary['superseded']));
    for (let ticket = 0; ticket < 7; ticket += 1) {
      const last = records.findLast(({ ticketId }) => ticketId === `T${ticket}`);
      expect(app.sandbox.records.stored.get(`T${ticket}`)?.entity['crm_channel_source']).toBe(
        last?.sourceChannel,
      );
    }
  });

  test('Genesys fails for good half-way: every later record is failed, the summary says why', async () => {
    const app = await startMapApp({ batchSize: 10, maxInFlight: 1, maxTries: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 50 });
    const streaming = app.stream(ndjson(tickets(100)));
    await expect.poll(() => app.writes(200)).toBeGreaterThanOrEqual(1);
    app.sandbox.faults.add({ target: BATCH, status: 500 });

    const lines = await streaming;

    const summary = summaryOf(lines);
    expect(summary).toMatchObject({
      success: false,
      status: 207,
      read: 100,
      error: { code: 'genesys_unavailable' },
    });
    expect(summary['written']).toBe(app.sandbox.records.stored.size);
    const failed = only(lines, 'failed');
    expect(failed).toHaveLength(100 - app.sandbox.records.stored.size);
    expect(failed.filter(({ attempted }) => attempted === true)).toHaveLength(10);
    expect(app.writes(500)).toBe(1);
  });

  test.each([
    [403, undefined, 403, 'genesys_permission_missing'],
    [429, '1', 503, 'genesys_rate_limited'],
    [500, undefined, 502, 'genesys_unavailable'],
  ])(
    'a %i of Genesys for all writes: the status that JSON would have had',
    async (status, retryAfter, expected, code) => {
      const app = await startMapApp({ maxTries: 1 });
      app.sandbox.faults.add({ target: BATCH, status, ...(retryAfter && { retryAfter }) });
      const json = await app.post(tickets(2));
      expect([json.status, json.body['code']]).toEqual([expected, code]);
      const lines = await app.stream(ndjson(tickets(2)));
      expect(summaryOf(lines)).toMatchObject({ success: false, status: expected });
    },
  );

  test('a refusal of every record: the status that JSON would have had', async () => {
    const app = await startMapApp();
    const lines = await app.stream(ndjson([{ id: 'poison-1', priority: 'low' }]));
    expect(summaryOf(lines)).toMatchObject({ success: false, status: 400, failed: 1 });
  });

  test('dryRun=true writes nothing', async () => {
    const app = await startMapApp();
    const lines = await app.stream(ndjson([...tickets(600), null]), '?orgId=acme&dryRun=true');
    expect(summaryOf(lines)).toMatchObject({ dryRun: true, written: 600, rejected: 1 });
    expect(app.writes()).toBe(0);
  });

  test.each([
    ['no orgId', '', 400],
    ['a bad orgId', '?orgId=..%2Facme', 400],
    ['mode=strict', '?orgId=acme&mode=strict', 400],
  ])('%s: a status, because nothing has begun', async (_name, query, status) => {
    const app = await startMapApp();
    const response = await fetch(`${app.url}/map${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: ndjson(tickets(1)),
    });
    expect(response.status).toBe(status);
  });

  test('an empty body is told so, with what the route takes', async () => {
    const app = await startMapApp();
    const response = await fetch(`${app.url}/map?orgId=acme`, {
      method: 'POST',
      headers: { 'content-type': 'application/x-ndjson' },
      body: '',
    });
    expect(response.status).toBe(400);
    expect(await response.json()).toMatchObject({
      code: 'body_missing',
      detail:
        'The body is empty; this route needs one of type application/json or application/x-ndjson.',
    });
  });

  test('an empty body that is sent in chunks is told so, too', async () => {
    const app = await startMapApp();
    const { request, answered } = openImport(app.url);
    request.end();
    expect((await answered).statusCode).toBe(400);
    request.destroy();
  });

  test('a caller that sends everything before it reads learns the fate of every line', async () => {
    const app = await startMapApp();
    const total = 60_000;
    const isBad = (line: number) => line > 30_000 || line % 2 === 0;
    const body = Array.from({ length: total }, (_, index) =>
      JSON.stringify({ ticketId: `T${index + 1}`, priority: isBad(index + 1) ? 'bad' : 'low' }),
    ).join('\n');
    const { host, hostname, port } = new URL(app.url);
    const socket = connect(Number(port), hostname);
    socket.pause();
    const head = `POST /map?orgId=acme&dryRun=true HTTP/1.1\r\nhost: ${host}\r\nconnection: close\r\n`;
    const type = `content-type: application/x-ndjson\r\ncontent-length: ${body.length}\r\n\r\n`;
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject);
      socket.write(head + type + body, () => resolve());
    });
    await expect.poll(() => app.log(), { timeout: 30_000 }).toContain('Import ended');

    const parts: Buffer[] = [];
    for await (const part of socket) parts.push(part as Buffer);
    const lines = Buffer.concat(parts)
      .toString()
      .split(/\r?\n/)
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Line);

    const summary = summaryOf(lines);
    expect(summary).toMatchObject({ status: 207, read: total, written: 15_000, rejected: 45_000 });
    const fates = new Map(only(lines, 'rejected').map(({ line }) => [line as number, 'rejected']));
    const groups = summary['unlisted'] as UnlistedRecords[];
    expect(fates.size).toBeLessThan(45_000);
    for (const { fate, reason, exact, ranges } of groups) {
      expect({ fate, reason, exact }).toEqual({
        fate: 'rejected',
        reason: 'crm_ticket_priority regex',
        exact: true,
      });
      for (const [from, to] of ranges) {
        for (let line = from; line <= to; line += 1) {
          expect(fates.has(line)).toBe(false);
          fates.set(line, fate);
        }
      }
    }
    for (let line = 1; line <= total; line += 1) {
      if (fates.has(line) !== isBad(line)) throw new Error(`Line ${line} has the wrong fate`);
    }
  }, 60_000);

  test('a missing permission is a 403, not a stream', async () => {
    const app = await startMapApp({ sandbox: { deniedPermissions: ['customattributes:write'] } });
    await expect(app.stream(ndjson(tickets(1)))).rejects.toThrow(/403.*genesys_permission_missing/);
  });

  test('records of a slow sender do not wait for a full batch', async () => {
    const app = await startMapApp({ lingerMs: 20 });
    const { request, lines, answered } = openImport(app.url);
    request.write(ndjson(tickets(3)));
    await expect.poll(() => only(lines, 'progress')).toHaveLength(1);
    expect(app.sandbox.records.stored.size).toBe(3);
    request.end();
    await once(await answered, 'end');
    expect(summaryOf(lines)).toMatchObject({ success: true, written: 3 });
  });

  test('Genesys slower than the sender: the sender is held back', async () => {
    const app = await startMapApp({
      batchSize: 10,
      maxInFlight: 1,
      maxTries: 1,
      tryTimeoutMs: 2000,
    });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 60_000 });
    const { request } = openImport(app.url);
    request.on('error', () => undefined);
    const record = `${JSON.stringify({ ticketId: 'T', note: 'x'.repeat(1000) })}\n`;
    let sent = 0;
    const pump = () => {
      while (sent < 100_000_000) {
        sent += record.length;
        if (!request.write(record.replace('"T"', `"T${sent}"`))) return;
      }
    };
    request.on('drain', pump);
    pump();
    let before = -1;
    await expect
      .poll(
        async () => {
          const stalled = sent === before && sent > 0;
          before = sent;
          await delay(100);
          return stalled;
        },
        { timeout: 10_000 },
      )
      .toBe(true);

    expect(sent).toBeLessThan(20_000_000);
    request.destroy();
    // A socket that is not read tells nothing: the end of the write brings it to light.
    await expect.poll(() => app.log(), { timeout: 5000 }).toContain('Import was cut off');
  });

  test('the client leaves: the work stops, and the log says what is unknown', async () => {
    const app = await startMapApp({ batchSize: 5, maxInFlight: 1 });
    app.sandbox.faults.add({ target: BATCH, latencyMs: 200 });
    const { request } = openImport(app.url);
    request.on('error', () => undefined);
    request.write(ndjson(tickets(100)));
    await expect.poll(() => app.sandbox.requests.maxInFlight(BATCH)).toBe(1);
    request.destroy();

    await expect.poll(() => app.log()).toContain('Import was cut off');
    expect(app.log()).toContain('unknown_outcome');
    const metric = await app.registry.getSingleMetric('map_records_total')?.get();
    const counts: Record<string, number> = {};
    for (const { labels, value } of metric?.values ?? []) counts[String(labels['fate'])] = value;
    expect(counts['failed']).toBe(5);
    expect(counts['written']).toBe(0);
    expect(app.writes()).toBeLessThan(4);
  });
});

describe('skipUnchanged', () => {
  const query = '?orgId=acme&skipUnchanged=true';

  test('what Genesys has is not written again; what changed is', async () => {
    const app = await startMapApp();
    await app.stream(ndjson(tickets(500)), query);
    const changed = tickets(500);
    for (const [index, record] of changed.entries()) {
      if (index % 100 === 0) record['sourceChannel'] = 'phone';
    }

    const lines = await app.stream(ndjson(changed), query);

    expect(summaryOf(lines)).toMatchObject({ success: true, written: 5, unchanged: 495 });
    expect(app.writes()).toBe(2);
    const json = await app.post(changed, '?skipUnchanged=true');
    expect(json).toMatchObject({ status: 200, body: { processed: 0, unchanged: 500 } });
  });

  test('an entity is one and the same, whatever organisation its records come in for', async () => {
    const app = await startMapApp();
    const [low] = tickets(1);
    const critical = { ...low, priority: 'critical' };
    await app.post([low], '?skipUnchanged=true', 'acme');
    await app.post([critical], '?skipUnchanged=true', 'acme-emea');

    const { body } = await app.post([low], '?skipUnchanged=true', 'acme');

    expect(body).toMatchObject({ processed: 1, unchanged: 0 });
    expect(app.sandbox.records.stored.get('T1')?.entity['crm_ticket_priority']).toBe('low');
    const again = await app.post([low], '?skipUnchanged=true', 'acme-emea');
    expect(again.body).toMatchObject({ processed: 0, unchanged: 1 });
  });

  test('a failed write leaves no fingerprint, neither of the new nor of the old', async () => {
    const app = await startMapApp({ maxTries: 1 });
    const [first] = tickets(1);
    const second = { ...first, priority: 'critical' };
    await app.post([first], '?skipUnchanged=true');
    app.sandbox.faults.add({ id: 'lost', target: BATCH, reset: 'after' });
    expect((await app.post([second], '?skipUnchanged=true')).status).toBe(502);
    app.sandbox.faults.clear();

    const again = await app.post([first], '?skipUnchanged=true');

    expect(again.body).toMatchObject({ processed: 1, unchanged: 0 });
    expect(app.sandbox.records.stored.get('T1')?.entity['crm_ticket_priority']).toBe('low');
  });

  test('a write without skipUnchanged forgets what was known', async () => {
    const app = await startMapApp();
    const [first] = tickets(1);
    await app.post([first], '?skipUnchanged=true');
    await app.post([{ ...first, priority: 'critical' }]);
    const { body } = await app.post([first], '?skipUnchanged=true');
    expect(body).toMatchObject({ processed: 1, unchanged: 0 });
  });

  test('a dry run says what would be left out', async () => {
    const app = await startMapApp();
    await app.post(tickets(2), '?skipUnchanged=true');
    const { body } = await app.post(tickets(3), '?skipUnchanged=true&dryRun=true');
    expect(body).toMatchObject({ processed: 1, unchanged: 2 });
  });
});
