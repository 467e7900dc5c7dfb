import {
  CreateEventBusCommand,
  DescribeEventBusCommand,
  EventBridgeClient,
  PutEventsCommand,
  type PutEventsRequestEntry,
} from '@aws-sdk/client-eventbridge';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type RunningAws, startAws, useTestCredentials } from '../../aws/aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let client: EventBridgeClient;
beforeEach(async () => {
  sandbox = await startAws();
  client = new EventBridgeClient({ region: 'us-east-1', endpoint: sandbox.url, maxAttempts: 1 });
});
afterEach(async () => {
  client.destroy();
  await sandbox.close();
});

const good: PutEventsRequestEntry = {
  EventBusName: 'orders',
  Source: 'genesys.cloud',
  DetailType: 'interaction.event',
  Detail: '{"interactionId":"i-1"}',
};
const put = (...entries: PutEventsRequestEntry[]) =>
  client.send(new PutEventsCommand({ Entries: entries }));

describe('PutEvents answers as AWS was seen to', () => {
  const required = (name: string) =>
    `Parameter ${name} is not valid. Reason: ${name} is a required argument.`;
  test.each<[string, PutEventsRequestEntry, string, string]>([
    ['no source', { ...good, Source: undefined }, 'InvalidArgument', required('Source')],
    ['an empty type', { ...good, DetailType: '' }, 'InvalidArgument', required('DetailType')],
    ['no detail', { ...good, Detail: undefined }, 'InvalidArgument', required('Detail')],
    ['no JSON', { ...good, Detail: '{' }, 'MalformedDetail', 'Detail is malformed.'],
    ['a JSON array', { ...good, Detail: '[]' }, 'MalformedDetail', 'Detail is malformed.'],
    ['a JSON string', { ...good, Detail: '"x"' }, 'MalformedDetail', 'Detail is malformed.'],
    [
      'more than 1,000 levels',
      { ...good, Detail: `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}` },
      'MalformedDetail',
      'Detail is malformed.',
    ],
    [
      'a whole number beyond 64 bits',
      { ...good, Detail: '{"n":9223372036854775808}' },
      'MalformedDetail',
      'Detail is malformed.',
    ],
    [
      "AWS' own source",
      { ...good, Source: 'aws.ec2' },
      'NotAuthorizedForSourceException',
      'Not authorized for the source.',
    ],
  ])('%s: 200, and that entry failed', async (_name, bad, ErrorCode, ErrorMessage) => {
    const { FailedEntryCount, Entries } = await put(good, bad, good);
    expect(FailedEntryCount).toBe(1);
    expect(Entries?.map((entry) => entry.EventId !== undefined)).toEqual([true, false, true]);
    expect(Entries?.[1]).toEqual({ ErrorCode, ErrorMessage });
    expect(sandbox.aws.busEventCount()).toBe(2);
  });

  test.each<[string, PutEventsRequestEntry[], string]>([
    ['no entries', [], 'greater than or equal to 1'],
    ['eleven entries', Array.from({ length: 11 }, () => good), 'less than or equal to 10'],
    [
      'too many bytes',
      [good, { ...good, Detail: JSON.stringify({ text: 'x'.repeat(1_000_000) }) }],
      'Total size of the entries in the request is over the limit.',
    ],
    ['a long resource', [{ ...good, Resources: ['x'.repeat(2049)] }], 'resources'],
    ['a long trace header', [{ ...good, TraceHeader: 'x'.repeat(501) }], 'traceHeader'],
  ])('%s: 400 for the whole request', async (_name, entries, message) => {
    await expect(put(...entries)).rejects.toMatchObject({
      name: 'ValidationException',
      $metadata: { httpStatusCode: 400 },
    });
    await expect(put(...entries)).rejects.toThrow(message);
    expect(sandbox.aws.busEventCount()).toBe(0);
  });

  test('a bus that is not there: 200 with an id, and the event is gone', async () => {
    const { FailedEntryCount, Entries } = await put({ ...good, EventBusName: 'typo' });
    expect(FailedEntryCount).toBe(0);
    expect(Entries?.[0]?.EventId).toMatch(/^[\da-f-]{36}$/);
    expect(sandbox.aws.busEventCount()).toBe(0);
  });
});

test.each([
  ['1,000 levels', `{"a":${'['.repeat(999)}${']'.repeat(999)}}`],
  ['the greatest and the least whole number', '{"n":[9223372036854775807,-9223372036854775808]}'],
  ['digits that are no whole number', '{"n":[0.12345678901234567890123,12345678901234567890e1]}'],
  [
    'brackets and digits in a text',
    JSON.stringify({ t: `${'['.repeat(3000)}9223372036854775808"` }),
  ],
])('%s is accepted', async (_name, Detail) => {
  expect((await put({ ...good, Detail })).FailedEntryCount).toBe(0);
});

test("another account's bus is not one's own: no look at it, no event on it", async () => {
  const arn = 'arn:aws:events:us-east-1:123456789012:event-bus/orders';
  await expect(client.send(new DescribeEventBusCommand({ Name: arn }))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  });
  const denied = await put({ ...good, EventBusName: arn });
  expect(denied.Entries).toMatchObject([{ ErrorCode: 'AccessDeniedException' }]);
  expect(sandbox.aws.busEventCount()).toBe(0);
  sandbox.aws.createBus(arn);
  expect((await put({ ...good, EventBusName: arn })).FailedEntryCount).toBe(0);
  expect(sandbox.aws.busEvents).toMatchObject([{ bus: arn }]);
  await expect(client.send(new DescribeEventBusCommand({ Name: arn }))).rejects.toThrow(arn);
});

test('a request without a signature is refused', async () => {
  const answer = await fetch(sandbox.url, {
    method: 'POST',
    headers: { 'x-amz-target': 'AWSEvents.PutEvents' },
    body: JSON.stringify({ Entries: [good] }),
  });
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ __type: 'MissingAuthenticationTokenException' });
});

test('buses are described and created', async () => {
  const describeBus = (Name: string) => client.send(new DescribeEventBusCommand({ Name }));
  await expect(describeBus('new')).rejects.toMatchObject({ name: 'ResourceNotFoundException' });
  await client.send(new CreateEventBusCommand({ Name: 'new' }));
  expect(await describeBus('new')).toMatchObject({
    Arn: 'arn:aws:events:us-east-1:000000000000:event-bus/new',
  });
  await expect(client.send(new CreateEventBusCommand({ Name: 'new' }))).rejects.toMatchObject({
    name: 'ResourceAlreadyExistsException',
  });
});

test('the ids of all that was accepted are there for an audit, more than events are kept', async () => {
  await sandbox.close();
  sandbox = await startAws({ keepEvents: 20 });
  client.destroy();
  client = new EventBridgeClient({ region: 'us-east-1', endpoint: sandbox.url });
  const ids = Array.from({ length: 5000 }, (_, index) =>
    index % 7 === 0 ? `plain ${index}` : crypto.randomUUID(),
  );
  const entryOf = (interactionId: string) => ({
    ...good,
    Detail: JSON.stringify({ interactionId }),
  });
  for (let from = 0; from < ids.length; from += 10) {
    await put(...ids.slice(from, from + 10).map(entryOf));
  }
  expect([...sandbox.aws.acceptedIds]).toEqual(ids);
  expect(sandbox.aws.busEventCount()).toBe(5000);
  expect(sandbox.aws.busEvents.length).toBeLessThanOrEqual(20);
  expect(sandbox.aws.busEvents.at(-1)?.detail).toContain(ids.at(-1));
});

test('faults hit entries by what they are called, or by their share', async () => {
  sandbox.faults.add({
    target: 'aws.events.PutEvents',
    entryFailures: { ids: ['i-2'], code: 'InternalFailure' },
  });
  const of = (id: string) => ({ ...good, Resources: [`/genesys/interactions/${id}`] });
  const { Entries } = await put(of('i-1'), of('i-2'));
  expect(Entries).toMatchObject([{}, { ErrorCode: 'InternalFailure' }]);
  expect(sandbox.aws.busEventCount()).toBe(1);
});

test('an answer that was lost: the events are on the bus all the same', async () => {
  sandbox.faults.add({ target: 'aws.events.PutEvents', reset: 'after' });
  await expect(put(good)).rejects.toThrow();
  expect(sandbox.aws.busEventCount()).toBe(1);
});
