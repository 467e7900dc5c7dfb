import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createEventBus, type EventBusOptions } from '../../src/aws/event-bridge.ts';
import { UpstreamError } from '../../src/errors.ts';
import type { BusEntry } from '../../src/events/ports.ts';
import { createLogger } from '../../src/lib/logger.ts';
import type { FaultRule } from '../../src/sandbox/faults.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from './aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let closeBus: () => void = () => {};
beforeEach(async () => {
  sandbox = await startAws();
});
afterEach(async () => {
  closeBus();
  await sandbox.close();
});

function busOn(endpoint: string, options: Partial<EventBusOptions> = {}) {
  const bus = createEventBus({
    ...wayTo(endpoint),
    busName: 'orders',
    maxBytes: 1_000_000,
    ...options,
  });
  closeBus = () => bus.close();
  return bus;
}

function entry(changes: Partial<BusEntry> = {}): BusEntry {
  return {
    source: 'genesys.cloud',
    detailType: 'interaction.event',
    detail: JSON.stringify({ eventId: 'e-1', interactionId: 'i-1' }),
    time: new Date('2026-01-02T03:04:05.678Z'),
    resources: ['/genesys/interactions/i-1'],
    ...changes,
  };
}

/** A server that answers as no sandbox does; closed after the test. */
async function addressOf(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

async function failureOf(work: Promise<unknown>): Promise<UpstreamError> {
  const error: unknown = await work.then(
    () => 'it succeeded',
    (thrown: unknown) => thrown,
  );
  if (error instanceof UpstreamError) return error;
  throw new Error('no UpstreamError', { cause: error });
}

describe('put', () => {
  test('sends every field and answers with an outcome for each entry, in their order', async () => {
    const bus = busOn(sandbox.url);
    const outcomes = await bus.put([
      entry({ traceHeader: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }),
      entry({ detail: '[]' }),
      entry({ detailType: '' }),
    ]);

    expect(outcomes).toMatchObject([
      { accepted: true },
      { accepted: false, code: 'eventbridge_malformed_detail', kind: 'reject', fault: 'entry' },
      {
        accepted: false,
        code: 'eventbridge_invalid_argument',
        kind: 'reject',
        fault: 'entry',
        message:
          'InvalidArgument: Parameter DetailType is not valid. Reason: DetailType is a required argument.',
      },
    ]);
    expect(sandbox.aws.busEvents).toMatchObject([
      {
        bus: 'orders',
        source: 'genesys.cloud',
        detailType: 'interaction.event',
        detail: '{"eventId":"e-1","interactionId":"i-1"}',
        resources: ['/genesys/interactions/i-1'],
        time: 1767323045.678,
        traceHeader: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      },
    ]);
  });

  test.each([
    ['ThrottlingException', 'eventbridge_throttled', { kind: 'retry', throttled: true }],
    ['InternalFailure', 'eventbridge_unavailable', { kind: 'retry', throttled: false }],
    ['SomethingOfNextYear', 'eventbridge_unavailable', { kind: 'retry', throttled: false }],
    ['AccessDeniedException', 'eventbridge_access_denied', { kind: 'systemic', throttled: false }],
    [
      'NotAuthorizedForDetailTypeException',
      'eventbridge_access_denied',
      { kind: 'systemic', throttled: false },
    ],
    ['RedactionFailure', 'eventbridge_redaction_failure', { kind: 'reject', fault: 'bus' }],
  ])('an entry that failed with %s is %s, %o', async (code, expected, facts) => {
    sandbox.faults.add({ target: 'aws.events.PutEvents', entryFailures: { rate: 1, code } });
    expect(await busOn(sandbox.url).put([entry()])).toMatchObject([
      { accepted: false, code: expected, ...facts },
    ]);
  });

  test('a source that AWS keeps for itself is refused for good, one that is barred for us is not', async () => {
    const code = 'NotAuthorizedForSourceException';
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      entryFailures: { ids: ['barred'], code },
    });
    const entries = [entry({ source: 'aws.ours' }), entry({ source: 'barred' }), entry()];
    expect(await busOn(sandbox.url).put(entries)).toMatchObject([
      { code: 'eventbridge_source_reserved', kind: 'reject', fault: 'entry' },
      { code: 'eventbridge_access_denied', kind: 'systemic' },
      { accepted: true },
    ]);
  });

  const cases: [string, Omit<FaultRule, 'target'>, string, string][] = [
    ['a throttled call', { status: 400, code: 'ThrottlingException' }, 'throttled', 'retry'],
    ['429', { status: 429, code: 'Whatever' }, 'throttled', 'retry'],
    ['500', { status: 500, code: 'InternalFailure' }, 'unavailable', 'retry'],
    ['503 without a type', { status: 503, body: '{}' }, 'unavailable', 'retry'],
    ["a proxy's page with 502", { html: true }, 'unavailable', 'retry'],
    ["a proxy's page with 200", { html: true, status: 200 }, 'unavailable', 'retry'],
    ["a proxy's page with 404", { html: true, status: 404 }, 'endpoint', 'systemic'],
    ["a proxy's page with 400", { html: true, status: 400 }, 'endpoint', 'systemic'],
    ["a proxy's page with 403", { html: true, status: 403 }, 'access_denied', 'systemic'],
    ["a proxy's page with 413", { html: true, status: 413 }, 'too_large', 'reject'],
    ['a reset before the work', { reset: 'before' }, 'unavailable', 'retry'],
    ['a reset after the work', { reset: 'after' }, 'unavailable', 'retry'],
    ['a reset within the answer', { reset: 'middle' }, 'unavailable', 'retry'],
    ['an answer that is no JSON', { body: '{"Entries":[' }, 'unavailable', 'retry'],
    ['an answer without results', { body: '{}' }, 'unavailable', 'retry'],
    [
      'expired credentials',
      { status: 400, code: 'ExpiredTokenException' },
      'credentials',
      'systemic',
    ],
    [
      'a wrong signature',
      { status: 403, code: 'InvalidSignatureException' },
      'credentials',
      'systemic',
    ],
    [
      'an unknown client',
      { status: 400, code: 'UnrecognizedClientException' },
      'credentials',
      'systemic',
    ],
    ['no permission', { status: 400, code: 'AccessDeniedException' }, 'access_denied', 'systemic'],
    ['no bus', { status: 400, code: 'ResourceNotFoundException' }, 'bus_missing', 'systemic'],
    ['a refused request', { status: 400, code: 'ValidationException' }, 'refused', 'reject'],
    [
      'too many bytes',
      {
        status: 400,
        code: 'ValidationException',
        message: 'Total size of the entries in the request is over the limit.',
      },
      'too_large',
      'reject',
    ],
  ];
  test.each(cases)('%s', async (_name, fault, code, kind) => {
    sandbox.faults.add({ target: 'aws.events.PutEvents', ...fault });
    const error = await failureOf(busOn(sandbox.url).put([entry()]));
    expect(error).toMatchObject({
      code: `eventbridge_${code}`,
      kind,
      throttled: code === 'throttled',
      timedOut: false,
    });
    // One try, and one more with credentials that were looked up anew.
    const tries = code === 'credentials' ? 2 : 1;
    expect(sandbox.requests.count('aws.events.PutEvents')).toBe(tries);
  });

  test('a refused call says who may help, and keeps the id of the request and its Retry-After', async () => {
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      status: 400,
      code: 'AccessDeniedException',
      message:
        'User: arn:aws:sts::1:assumed-role/bridge is not authorized to perform: events:PutEvents on resource: x',
      retryAfter: '3',
    });
    const error = await failureOf(busOn(sandbox.url).put([entry({ detail: '{"card":"4111"}' })]));
    const [request] = sandbox.requests.last();
    expect(error).toMatchObject({
      service: 'eventbridge',
      status: 400,
      correlationId: request?.requestId,
      missingPermission: 'events:PutEvents',
      retryAfterMs: 3000,
      tries: 1,
    });
    expect(error.message).toContain('bus "orders"');
    expect(error.message).toContain('Grant events:PutEvents');
    expect(JSON.stringify(error) + error.message).not.toContain('4111');
  });

  test('the session token in the message of a wrong signature goes nowhere', async () => {
    sandbox.faults.add({
      target: 'aws.events.PutEvents',
      status: 403,
      code: 'InvalidSignatureException',
      message: 'The Canonical String should have been x-amz-security-token:SECRET',
    });
    const error = await failureOf(busOn(sandbox.url).put([entry()]));
    expect(error.message).toContain('InvalidSignatureException');
    expect(error.message).not.toContain('SECRET');
    expect(error.cause).toBeUndefined();
  });

  test('a silent server ends in a time-out, before and within its answer', async () => {
    const bus = busOn(sandbox.url, { requestTimeoutMs: 80 });
    for (const hang of [true, 'middle'] as const) {
      const id = sandbox.faults.add({ target: 'aws.events.PutEvents', hang });
      expect(await failureOf(bus.put([entry()]))).toMatchObject({
        code: 'eventbridge_timeout',
        kind: 'retry',
        timedOut: true,
      });
      sandbox.faults.remove(id);
    }
  });

  test('a JSON answer without a request id is no refusal by AWS', async () => {
    const bodies = [
      '{"code":404,"message":"no route"}',
      '{"__type":"NotFound"}',
      '{"code":"BLOCKED"}',
    ];
    for (const body of bodies) {
      const bus = busOn(await addressOf((_, response) => response.writeHead(404).end(body)));
      expect(await failureOf(bus.put([entry()]))).toMatchObject({
        code: 'eventbridge_endpoint',
        kind: 'systemic',
      });
      bus.close();
    }
  });

  test('a wrong clock makes no refusal a passing one', async () => {
    const address = await addressOf((_, response) => {
      response.writeHead(400, {
        date: new Date(Date.now() + 600_000).toUTCString(),
        'x-amzn-requestid': 'r-1',
      });
      response.end('{"__type":"ValidationException","message":"no"}');
    });
    const bus = busOn(address);
    for (let call = 0; call < 3; call += 1) {
      expect(await failureOf(bus.put([entry()]))).toMatchObject({
        code: 'eventbridge_refused',
        kind: 'reject',
      });
    }
  });

  test('what was given up while it waited for credentials is not sent later', async () => {
    const credentials = await addressOf((_, response) => {
      setTimeout(() => {
        response.setHeader('content-type', 'application/json');
        response.end(
          JSON.stringify({
            AccessKeyId: 'a',
            SecretAccessKey: 's',
            Token: 't',
            Expiration: new Date(Date.now() + 3_600_000).toISOString(),
          }),
        );
      }, 300);
    });
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    vi.stubEnv('AWS_CONTAINER_CREDENTIALS_FULL_URI', `${credentials}/`);
    const bus = busOn(sandbox.url, { requestTimeoutMs: 100 });
    expect(await failureOf(bus.put([entry()]))).toMatchObject({ code: 'eventbridge_timeout' });
    await new Promise((resolve) => setTimeout(resolve, 400));
    expect(sandbox.requests.count('aws.events.PutEvents')).toBe(0);
    expect(await bus.put([entry()])).toMatchObject([{ accepted: true }]);
  });

  test('nobody there is retried', async () => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    await new Promise((resolve) => server.close(resolve));
    expect(await failureOf(busOn(`http://127.0.0.1:${port}`).put([entry()]))).toMatchObject({
      code: 'eventbridge_unavailable',
      kind: 'retry',
      status: undefined,
    });
  });

  test('missing credentials are systemic, and nothing is sent', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
    vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
    expect(await failureOf(busOn(sandbox.url).put([entry()]))).toMatchObject({
      code: 'eventbridge_credentials',
      kind: 'systemic',
    });
    expect(sandbox.requests.count('aws')).toBe(0);
  });

  test('a wrong clock costs one call, and uses up no credentials', async () => {
    const anHourAhead = () => new Date(Date.now() + 3_600_000);
    const signedAt: string[] = [];
    const address = await addressOf((request, response) => {
      signedAt.push(String(request.headers['x-amz-date']));
      const refused = signedAt.length === 1;
      response.writeHead(refused ? 403 : 200, { date: anHourAhead().toUTCString() });
      response.end(
        refused
          ? '{"__type":"InvalidSignatureException","message":"Signature expired"}'
          : '{"FailedEntryCount":0,"Entries":[{"EventId":"e"}]}',
      );
    });
    const bus = busOn(address);

    expect(await failureOf(bus.put([entry()]))).toMatchObject({
      code: 'eventbridge_unavailable',
      kind: 'retry',
    });
    expect(await bus.put([entry()])).toMatchObject([{ accepted: true }]);
    const [first = 0, second = 0] = signedAt.map((at) =>
      Date.parse(at.replace(/^(....)(..)(..T..)(..)(..)/, '$1-$2-$3:$4:$5')),
    );
    expect(second - first).toBeGreaterThan(3_500_000);
  });

  test("an abort is rethrown as the signal's reason, also while the answer is awaited", async () => {
    const bus = busOn(sandbox.url);
    await expect(bus.put([entry()], AbortSignal.abort('stopping'))).rejects.toBe('stopping');

    sandbox.faults.add({ target: 'aws.events.PutEvents', hang: true });
    const stop = new AbortController();
    const put = bus.put([entry()], stop.signal);
    await vi.waitFor(() => expect(sandbox.requests.maxInFlight('aws.events.PutEvents')).toBe(1));
    stop.abort('stopping');
    await expect(put).rejects.toBe('stopping');
  });

  test('many calls share one signal without a warning, and no more sockets than allowed', async () => {
    const warned = vi.fn();
    process.on('warning', warned);
    const bus = busOn(sandbox.url, { maxSockets: 4 });
    sandbox.faults.add({ target: 'aws.events.PutEvents', latencyMs: 5 });
    const stop = new AbortController();
    await Promise.all(Array.from({ length: 60 }, () => bus.put([entry()], stop.signal)));
    await new Promise(setImmediate);
    process.off('warning', warned);
    expect(sandbox.requests.maxInFlight('aws.events.PutEvents')).toBe(4);
    expect(sandbox.aws.busEventCount()).toBe(60);
    expect(warned).not.toHaveBeenCalled();
  });
});

describe('check', () => {
  test('passes for a bus that is there, and says when it is not', async () => {
    const bus = busOn(sandbox.url);
    await bus.check();

    sandbox.aws.deleteBus('orders');
    expect(await bus.put([entry()])).toMatchObject([{ accepted: true }]);
    expect(sandbox.aws.busEventCount()).toBe(0);
    expect(await failureOf(bus.check())).toMatchObject({
      code: 'eventbridge_bus_missing',
      kind: 'systemic',
    });
  });

  test('takes an ARN', async () => {
    const busName = 'arn:aws:events:us-east-1:000000000000:event-bus/orders';
    const bus = busOn(sandbox.url, { busName });
    await bus.check();
    await bus.put([entry()]);
    expect(sandbox.aws.busEvents).toMatchObject([{ bus: 'orders' }]);
  });

  test("another account's bus cannot be looked at: that is a remark, and it is asked once", async () => {
    const busName = 'arn:aws:events:us-east-1:123456789012:event-bus/orders';
    const bus = busOn(sandbox.url, { busName });
    expect(await bus.check()).toContain('events:DescribeEventBus is not granted');
    expect(await bus.check()).toContain('events:DescribeEventBus is not granted');
    expect(sandbox.requests.count('aws.events.DescribeEventBus')).toBe(1);
    expect(await bus.put([entry()])).toMatchObject([
      { accepted: false, code: 'eventbridge_access_denied', kind: 'systemic' },
    ]);
    sandbox.aws.createBus(busName);
    expect(await bus.put([entry()])).toEqual([{ accepted: true }]);
    expect(sandbox.aws.busEvents).toMatchObject([{ bus: busName }]);
  });

  test("a proxy's refusal says nothing about the bus", async () => {
    sandbox.faults.add({ target: 'aws.events.DescribeEventBus', html: true, status: 403 });
    expect(await failureOf(busOn(sandbox.url).check())).toMatchObject({
      code: 'eventbridge_access_denied',
    });
  });
});

test('each call is logged at debug with its outcome and time, never with its payload', async () => {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (l) => void lines.push(l) } });
  const bus = busOn(sandbox.url, { log });
  await bus.put([entry()]);
  sandbox.faults.add({ target: 'aws.events.PutEvents', status: 503, times: 1 });
  await failureOf(bus.put([entry()]));
  const calls = lines.map((line) => JSON.parse(line) as Record<string, unknown>);
  expect(calls).toMatchObject([
    { operation: 'PutEvents', code: 'ok' },
    { operation: 'PutEvents', code: 'eventbridge_unavailable' },
  ]);
  expect(calls.every(({ tookMs }) => typeof tookMs === 'number')).toBe(true);
  expect(lines.join('')).not.toContain('i-1');
});
