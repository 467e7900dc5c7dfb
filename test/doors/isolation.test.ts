// Large requests beside a stream of events: neither takes from the other.
import { type Attack, testAttack } from './support/attack.ts';
import { flood } from './support/requests.ts';

const AT_ONCE = 25;
const BODY_BYTES = 10_000_000;
const EVENTS_PER_SECOND = 3000;

function linesOf(line: (index: number) => string): string {
  const lines: string[] = [];
  for (let bytes = 0; bytes < BODY_BYTES; bytes += (lines.at(-1) ?? '').length + 1) {
    lines.push(line(lines.length));
  }
  return lines.join('\n');
}

const record = (index: number) =>
  JSON.stringify({ ticketId: `T${index}`, priority: 'high', sourceChannel: 'web' });
const event = (index: number) =>
  JSON.stringify({
    id: `e-${index}`,
    resourceType: 'interaction',
    eventType: 'interaction.created',
    createdTime: '2026-01-02T03:04:05.678Z',
    payload: { type: 'voice', priority: 'high' },
  });

const isolated = (attack: string, path: string, contentType: string, body: string): Attack => ({
  attack: `${attack}, beside ${EVENTS_PER_SECOND} events/s`,
  forMs: 8000,
  eventsPerSecond: EVENTS_PER_SECOND,
  async run({ service, credentials, signal }) {
    const headers = { ...credentials, 'content-type': contentType };
    const options = { headers, body, connections: AT_ONCE, signal, pauseMs: 1000 };
    return `${AT_ONCE} at once: ${String(await flood(`${service.url}${path}`, options))}`;
  },
});

const records = linesOf(record);
testAttack(
  isolated(
    'JSON bodies of 10 MB',
    '/map',
    'application/json',
    `{"orgId":"acme","records":[${records.replaceAll('\n', ',')}]}`,
  ),
);
testAttack(
  isolated(
    '10 MB of records to check',
    '/map?orgId=acme&dryRun=true',
    'application/x-ndjson',
    records,
  ),
);
testAttack(
  isolated('10 MB of records to write', '/map?orgId=acme', 'application/x-ndjson', records),
);
testAttack(
  isolated('10 MB of events to simulate', '/simulate', 'application/x-ndjson', linesOf(event)),
);
