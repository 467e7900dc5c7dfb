// A call past the SDK's middleware beside the same call through it.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import fc from 'fast-check';
import { expect, onTestFinished, test, vi } from 'vitest';
import { createConnection } from '../../../src/aws/sdk/connection.ts';
import { createDirectCall } from '../../../src/aws/sdk/direct-call.ts';
import { UpstreamError } from '../../../src/errors.ts';
import { useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

type Answer = (request: IncomingMessage, response: ServerResponse) => void | Promise<void>;

const CALL = { service: 'eventbridge', operation: 'PutEvents', target: 'bus "orders"' } as const;
const INPUT = { Entries: [{ Source: 'genesys.cloud', DetailType: 'x', Detail: '{"name":"Zoë"}' }] };
const ACCEPTED = { FailedEntryCount: 0, Entries: [{ EventId: 'e-1' }] };

async function waysTo(answer: Answer, changes: Partial<ReturnType<typeof wayTo>> = {}) {
  let current = answer;
  const server = createServer((request, response) => void current(request, response));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connection = createConnection({
    ...wayTo(`http://127.0.0.1:${port}`),
    ...changes,
    maxAttempts: 1,
  });
  const client = new EventBridgeClient(connection.clientOptions);
  const direct = createDirectCall({
    client,
    command: PutEventsCommand,
    signingName: 'events',
    target: 'AWSEvents.PutEvents',
    dispatcher: connection.dispatcher,
  });
  onTestFinished(() => {
    client.destroy();
    connection.close();
    server.closeAllConnections();
    server.close();
  });
  return {
    answerWith: (next: Answer) => {
      current = next;
    },
    direct: (signal?: AbortSignal, input: object = INPUT) =>
      connection.call(CALL, signal, (http) => direct(JSON.stringify(input), http.abortSignal)),
    bySdk: (signal?: AbortSignal) =>
      connection.call(CALL, signal, (http) => client.send(new PutEventsCommand(INPUT), http)),
  };
}

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    const { Entries, FailedEntryCount } = ((await work) ?? {}) as Record<string, unknown>;
    return { Entries, FailedEntryCount };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const { code, kind, status, message, correlationId, retryAfterMs, tries } = error;
    const { missingPermission, throttled, timedOut } = error;
    const facts = { code, kind, throttled, timedOut };
    // Without a whole answer the sentence is undici's by one way and the SDK's by the other.
    if (status === undefined || message.includes('ECONNRESET')) return facts;
    return { ...facts, status, message, correlationId, retryAfterMs, missingPermission, tries };
  }
}

const isHeader = fc.constantFrom('x-amzn-errortype', 'retry-after', 'date', 'x-amzn-requestid');
const name = fc.constantFrom(
  'ThrottlingException',
  'com.amazonaws.events#InternalException',
  'com.amazon.coral.service#InvalidSignatureException',
  'AccessDeniedException:http://internal.amazon.com/coral/',
  'ExpiredTokenException',
  'ValidationException',
  'ResourceNotFoundException',
  'RequestExpired',
  'SomethingOfNextYear',
  '',
);
const headerValue = fc.oneof(name, fc.constantFrom('3', 'never', new Date().toUTCString()));
const content = fc.oneof(
  fc
    .record(
      { __type: name, code: name, message: fc.string(), Message: fc.string() },
      { requiredKeys: [] },
    )
    .map((members) => JSON.stringify(members)),
  fc.constantFrom('', '{', '[]', 'null', '<html>busy</html>', JSON.stringify(ACCEPTED)),
);

test('both ways make the same of any answer', async () => {
  const ways = await waysTo(() => undefined);
  const status = fc.constantFrom(200, 400, 401, 403, 404, 408, 413, 429, 500, 502, 503, 504);
  await fc.assert(
    fc.asyncProperty(
      status,
      fc.dictionary(isHeader, headerValue),
      content,
      async (code, headers, body) => {
        ways.answerWith((_, response) => void response.writeHead(code, headers).end(body));
        expect(await outcomeOf(ways.direct())).toEqual(await outcomeOf(ways.bySdk()));
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

const ends: [string, Answer, string][] = [
  ['a reset', (request) => void request.socket.destroy(), 'unavailable'],
  [
    'a reset within the answer',
    (request, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{"Entries":');
      setTimeout(() => request.socket.destroy(), 20);
    },
    'unavailable',
  ],
  ['a silent server', () => undefined, 'timeout'],
  ['silence within the answer', (_, response) => void response.write('{'), 'timeout'],
];
test.each(ends)('both ways make the same of %s', async (_, answer, code) => {
  const ways = await waysTo(answer, { requestTimeoutMs: 200 });
  const outcome = await outcomeOf(ways.direct());
  expect(outcome).toMatchObject({ code: `eventbridge_${code}`, kind: 'retry' });
  expect(outcome).toEqual(await outcomeOf(ways.bySdk()));
});

test('both ways make the same of nobody there', async () => {
  const ways = await waysTo(() => undefined, { endpoint: 'http://127.0.0.1:1' });
  expect(await outcomeOf(ways.direct())).toMatchObject({ code: 'eventbridge_unavailable' });
  expect(await outcomeOf(ways.direct())).toEqual(await outcomeOf(ways.bySdk()));
});

test('both ways make the same of no credentials, and look for them again', async () => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  const ways = await waysTo((_, response) => void response.end(JSON.stringify(ACCEPTED)));
  expect(await outcomeOf(ways.direct())).toMatchObject({ code: 'eventbridge_credentials' });
  expect(await outcomeOf(ways.direct())).toEqual(await outcomeOf(ways.bySdk()));
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  expect(await outcomeOf(ways.direct())).toEqual(ACCEPTED);
});

test('a clock that is wrong by an hour is allowed for from the next call on', async () => {
  const seen: string[] = [];
  const hourAhead = () => new Date(Date.now() + 3_600_000);
  const ways = await waysTo(({ headers }, response) => {
    const time = String(headers['x-amz-date']);
    const said = time.replace(/^(....)(..)(..T..)(..)(..)Z$/, '$1-$2-$3:$4:$5Z');
    const isLate = hourAhead().getTime() - Date.parse(said) > 300_000;
    seen.push(isLate ? 'late' : 'in time');
    response.setHeader('date', hourAhead().toUTCString());
    if (!isLate) return void response.end(JSON.stringify(ACCEPTED));
    const problem = { __type: 'InvalidSignatureException', message: 'Signature expired: now' };
    response.writeHead(403).end(JSON.stringify(problem));
  });
  expect(await outcomeOf(ways.direct())).toMatchObject({
    code: 'eventbridge_unavailable',
    kind: 'retry',
  });
  expect(await outcomeOf(ways.direct())).toEqual(ACCEPTED);
  expect(seen).toEqual(['late', 'in time']);
});

test('sends what the SDK sends', async () => {
  const seen: unknown[] = [];
  const ways = await waysTo(async (request, response) => {
    const { host, authorization = '', ...headers } = request.headers;
    seen.push({
      method: request.method,
      url: request.url,
      host,
      target: headers['x-amz-target'],
      type: headers['content-type'],
      scope: /^AWS4-HMAC-SHA256 Credential=test\/\d{8}\/us-east-1\/events\/aws4_request/.test(
        authorization,
      ),
      body: JSON.parse(await text(request)) as unknown,
    });
    response.end(JSON.stringify(ACCEPTED));
  });
  await ways.direct();
  await ways.bySdk();
  expect(seen[0]).toMatchObject({ method: 'POST', url: '/', scope: true, body: INPUT });
  expect(seen[0]).toEqual(seen[1]);
});

test('what is given up while it waits for a socket is never sent', async () => {
  const seen: string[] = [];
  const held = Promise.withResolvers<ServerResponse>();
  const ways = await waysTo(
    async (request, response) => {
      const { name: which } = JSON.parse(await text(request)) as { name: string };
      seen.push(which);
      if (which === 'first') held.resolve(response);
      else response.end('{}');
    },
    { maxSockets: 1 },
  );
  const first = ways.direct(undefined, { name: 'first' });
  const answer = await held.promise;
  const stop = new AbortController();
  const second = ways.direct(stop.signal, { name: 'second' });
  const reason = new Error('stopping');
  stop.abort(reason);
  await expect(second).rejects.toBe(reason);
  await expect(ways.direct(AbortSignal.abort(reason), { name: 'never' })).rejects.toBe(reason);
  answer.end('{}');
  await first;
  await ways.direct(undefined, { name: 'third' });
  expect(seen).toEqual(['first', 'third']);
});

test('a call that is given up frees its socket', async () => {
  let asked = 0;
  const ways = await waysTo(
    (_, response) => {
      asked += 1;
      if (asked === 1) response.write('{');
      else response.end('{}');
    },
    { maxSockets: 1, requestTimeoutMs: 300 },
  );
  expect(await outcomeOf(ways.direct())).toMatchObject({ code: 'eventbridge_timeout' });
  expect(await ways.direct()).toEqual({});
});

test('an answer without an end is cut off', async () => {
  const piece = Buffer.alloc(1_048_576);
  const ways = await waysTo((_, response) => {
    const more = (): void => {
      if (response.destroyed) return;
      if (response.write(piece)) setImmediate(more);
      else response.once('drain', more);
    };
    more();
  });
  expect(await outcomeOf(ways.direct())).toMatchObject({ code: 'eventbridge_unavailable' });
});
