// What the event pipeline is measured against, as a process of its own:
//   bare       the SDK client as it comes, sending ready-made full batches, 8 calls at once
//   connected  the same loop over the service's own connection: what the pipeline costs on top
//   naive      a pipeline as tutorials write it: per event one PutEvents and one PutMetricData,
//              awaited, no journal, no batches
// Prints a line `count` a second, the events that the bus accepted so far, until it is ended.
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import type { ReadableStream } from 'node:stream/web';
import { CloudWatchClient, PutMetricDataCommand } from '@aws-sdk/client-cloudwatch';
import { EventBridgeClient, PutEventsCommand } from '@aws-sdk/client-eventbridge';
import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import jsonata from 'jsonata';
import { v4 } from 'uuid';
import { createEventBus } from '../src/aws/event-bridge.ts';
import { createCredentials } from '../src/aws/sdk/credentials.ts';
import type { BusEntry } from '../src/events/ports.ts';

const IN_FLIGHT = 8;
const [mode = 'bare'] = process.argv.slice(2);
const setting = (name: string) => process.env[name] ?? '';
const region = setting('AWS_REGION');
const busName = setting('EVENTBUS_NAME');
const base = setting('GENESYS_BASE_URL');
let accepted = 0;

function fullBatch(): BusEntry[] {
  return Array.from({ length: 10 }, () => ({
    source: 'genesys.cloud',
    detailType: 'interaction.event',
    time: new Date(),
    resources: [`/genesys/interactions/${v4()}`],
    detail: JSON.stringify({
      interactionId: v4(),
      type: 'voice',
      priority: 'high',
      timestamp: new Date().toISOString(),
      metadata: { eventId: v4(), eventType: 'created' },
    }),
  }));
}

async function sendBare(client: EventBridgeClient): Promise<void> {
  const Entries = fullBatch().map(({ source, detailType, time, resources, detail }) => ({
    EventBusName: busName,
    Source: source,
    DetailType: detailType,
    Time: time,
    Resources: [...resources],
    Detail: detail,
  }));
  for (;;) {
    const answer = await client.send(new PutEventsCommand({ Entries }));
    count(10 - (answer.FailedEntryCount ?? 0));
  }
}

async function sendConnected(bus: ReturnType<typeof createEventBus>): Promise<void> {
  const entries = fullBatch();
  for (;;) {
    const outcomes = await bus.put(entries);
    count(outcomes.filter(({ accepted: isAccepted }) => isAccepted).length);
  }
}

async function pipeNaively(): Promise<void> {
  const expression = jsonata(readFileSync('config/event-transform.jsonata', 'utf8'));
  expression.assign('uuidv4', () => v4());
  const ajv = new Ajv();
  formats.default(ajv);
  const schema = JSON.parse(readFileSync('config/event-schema.json', 'utf8')) as Record<
    string,
    unknown
  >;
  delete schema['$schema'];
  const validate = ajv.compile(schema);
  const bridge = new EventBridgeClient({ region });
  const cloudWatch = new CloudWatchClient({ region });

  for await (const line of createInterface({ input: await openStream() })) {
    if (line.trim() === '') continue;
    const value = JSON.parse(line) as Interaction | Interaction[];
    for (const event of Array.isArray(value) ? value : [value]) {
      const { resourceType, payload } = event;
      const name = payload.routing?.queue?.name ?? '';
      if (resourceType !== 'interaction') continue;
      if (payload.priority !== 'high' && !/priority/i.test(name)) continue;
      const entry = JSON.parse(JSON.stringify(await expression.evaluate(event))) as BusEvent;
      if (!validate(entry)) continue;
      const answer = await bridge.send(
        new PutEventsCommand({
          Entries: [
            {
              EventBusName: busName,
              Source: entry.source,
              DetailType: entry['detail-type'],
              Time: new Date(entry.time),
              Resources: entry.resources,
              Detail: JSON.stringify(entry.detail),
            },
          ],
        }),
      );
      await cloudWatch.send(
        new PutMetricDataCommand({
          Namespace: 'GenesysEventPipeline',
          MetricData: [{ MetricName: 'EventsPublished', Unit: 'Count', Value: 1 }],
        }),
      );
      count(1 - (answer.FailedEntryCount ?? 0));
    }
  }
}

async function openStream(): Promise<Readable> {
  const credentials = `${setting('GENESYS_CLIENT_ID')}:${setting('GENESYS_CLIENT_SECRET')}`;
  const token = await fetch(`${base}/oauth/token`, {
    method: 'POST',
    headers: { authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      scope: 'event:subscribe analytics:events:read',
    }),
  });
  const { access_token } = (await token.json()) as { access_token: string };
  const headers = { authorization: `Bearer ${access_token}`, 'content-type': 'application/json' };
  const subscriptions = `${base}/api/v2/events/subscriptions`;
  const created = await fetch(subscriptions, {
    method: 'POST',
    headers,
    body: JSON.stringify({
      id: v4(),
      name: 'high-priority-interactions',
      resourceTypes: ['interaction'],
      eventTypes: ['created', 'updated'],
    }),
  });
  const { id } = (await created.json()) as { id: string };
  const { body } = await fetch(`${subscriptions}/${id}/events`, { headers });
  if (body === null) throw new Error('The stream has no body');
  return Readable.fromWeb(body as ReadableStream<Uint8Array>);
}

function count(events: number): void {
  if (accepted === 0) setInterval(() => console.log(`${accepted}`), 100).unref();
  accepted += events;
}

interface Interaction {
  resourceType: string;
  payload: { priority?: string; routing?: { queue?: { name?: string } } };
}

interface BusEvent {
  source: string;
  'detail-type': string;
  time: string;
  resources: string[];
  detail: unknown;
}

if (mode === 'bare') {
  const client = new EventBridgeClient({ region });
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => sendBare(client)));
} else if (mode === 'connected') {
  const bus = createEventBus({
    credentials: createCredentials(),
    region,
    busName,
    maxBytes: 1_000_000,
    maxSockets: IN_FLIGHT,
    connectTimeoutMs: 2000,
    requestTimeoutMs: 5000,
  });
  await Promise.all(Array.from({ length: IN_FLIGHT }, async () => sendConnected(bus)));
} else {
  await pipeNaively();
}
