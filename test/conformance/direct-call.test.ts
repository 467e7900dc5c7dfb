// What is sent past the SDK's middleware, before judges that are not ours.
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { describe, expect, inject, onTestFinished, test, vi } from 'vitest';
import { createConnection } from '../../src/aws/sdk/connection.ts';
import { createDirectCall } from '../../src/aws/sdk/direct-call.ts';
import { UpstreamError } from '../../src/errors.ts';
import { startAws, useTestCredentials, wayTo } from '../aws/aws-sandbox.ts';

useTestCredentials();

const moto = process.env['CONFORMANCE_MOTO'];
const needs = moto === undefined ? ' needs CONFORMANCE_MOTO' : '';
const CALL = { service: 'eventbridge', operation: 'PutEvents', target: 'the bus' } as const;

function waysTo(url: string) {
  const connection = createConnection({ ...wayTo(url), maxAttempts: 1 });
  const client = new EventBridgeClient(connection.clientOptions);
  const call = createDirectCall({
    client,
    command: PutEventsCommand,
    signingName: 'events',
    target: 'AWSEvents.PutEvents',
    dispatcher: connection.dispatcher,
  });
  onTestFinished(() => {
    client.destroy();
    connection.close();
  });
  return {
    direct: (input: object) =>
      connection.call(CALL, undefined, (http) => call(JSON.stringify(input), http.abortSignal)),
    bySdk: (input: { Entries: object[] }) =>
      connection.call(CALL, undefined, (http) => client.send(new PutEventsCommand(input), http)),
  };
}

/** Signs each request anew, at its own time, and says what the signature should have been. */
const VERIFIER = `
import json, sys
from datetime import datetime
from unittest import mock
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
ADDED = ('authorization', 'host', 'x-amz-date', 'x-amz-security-token')
for request in json.load(sys.stdin):
    given = request['headers']
    at = datetime.strptime(given['x-amz-date'], '%Y%m%dT%H%M%SZ')
    signed = given['authorization'].split('SignedHeaders=')[1].split(',')[0].split(';')
    headers = {name: given[name] for name in signed if name not in ADDED}
    again = AWSRequest('POST', request['url'], data=request['body'].encode(), headers=headers)
    credentials = Credentials('test', 'test', given.get('x-amz-security-token'))
    with mock.patch('botocore.auth.get_current_datetime', return_value=at):
        SigV4Auth(credentials, 'events', 'us-east-1').add_auth(again)
    print(again.headers['Authorization'])
`;

test.skipIf(moto === undefined)(`signatures are as botocore makes them${needs}`, async () => {
  const seen: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
  const answer: (...call: Parameters<RequestListener>) => Promise<void> = async (
    request,
    response,
  ) => {
    const { headers, url } = request;
    seen.push({ url: `http://${headers.host}${url}`, headers, body: await text(request) });
    response.end('{}');
  };
  const server = createServer((...call) => void answer(...call));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  for (const token of [undefined, 'a+token/with=signs']) {
    vi.stubEnv('AWS_SESSION_TOKEN', token);
    for (const path of ['', '/', '/bridge/a%20b/~x']) {
      const { direct } = waysTo(url + path);
      for (const Detail of ['{}', '{"name":"Zoë 🎧"}', JSON.stringify('x'.repeat(100_000))]) {
        await direct({ Entries: [{ Detail }] });
      }
    }
  }
  const output = execFileSync(join(moto ?? '', 'bin/python'), ['-c', VERIFIER], {
    input: JSON.stringify(seen),
    encoding: 'utf8',
  });
  const given = seen.map(({ headers }) => headers.authorization);
  expect(given).toHaveLength(18);
  expect(output.trim().split('\n')).toEqual(given);
});

const good = { Source: 'genesys.cloud', DetailType: 'interaction', Detail: '{"name":"Zoë"}' };
const INPUTS: Readonly<Record<string, { Entries: object[] }>> = {
  'an event': { Entries: [{ ...good, Time: new Date(1767323045000), Resources: ['a', 'b'] }] },
  'a bad one among good ones': { Entries: [good, { ...good, Detail: '[]' }, good] },
  'one without a source': { Entries: [{ ...good, Source: '' }] },
  'eleven events': { Entries: Array.from({ length: 11 }, () => good) },
  'no events': { Entries: [] },
  'too many bytes': { Entries: [{ ...good, Detail: `"${'x'.repeat(1_100_000)}"` }] },
  'a bus that is not there': { Entries: [{ ...good, EventBusName: 'nowhere' }] },
};

async function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  try {
    const { Entries = [], FailedEntryCount } = (await work) as Record<string, unknown>;
    const results = (Entries as Record<string, unknown>[]).map(
      ({ EventId, ErrorCode, ErrorMessage }) => [EventId !== undefined, ErrorCode, ErrorMessage],
    );
    return { results, FailedEntryCount };
  } catch (error) {
    if (!(error instanceof UpstreamError)) throw error;
    const { code, kind, status, message } = error;
    return { code, kind, status, message };
  }
}

describe.each([
  ['the sandbox', undefined],
  ['moto', inject('moto')],
])('%s gives the same by both ways', (name, url) => {
  const isLeftOut = name === 'moto' && url === undefined;
  test.skipIf(isLeftOut).each(Object.entries(INPUTS))(
    `%s${isLeftOut ? needs : ''}`,
    async (_, input) => {
      const sandbox = url === undefined ? await startAws() : undefined;
      onTestFinished(() => sandbox?.close());
      const { direct, bySdk } = waysTo(url ?? sandbox?.url ?? '');
      const inSeconds = input.Entries.map((entry) => {
        const { Time } = entry as { Time?: Date };
        return Time === undefined ? entry : { ...entry, Time: Time.getTime() / 1000 };
      });
      expect(await outcomeOf(direct({ Entries: inSeconds }))).toEqual(
        await outcomeOf(bySdk(input)),
      );
    },
  );
});
