import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type Target, testAttack } from './support/attack.ts';
import { createOutcomes } from './support/requests.ts';

/** Unpacked: near what the largest letter of ours may have. */
const BOMB_BYTES = 33_000_000;
const DEEP = 100_000;

/** What somebody who may write to the dead-letter queue, and nothing else, puts there. */
function forge(changes: Readonly<Record<string, unknown>>): string {
  return JSON.stringify({
    originalEvent: { id: randomUUID(), payload: {} },
    error: 'forged',
    timestamp: '2026-01-01T00:00:00.000Z',
    firstSeen: '2026-01-01T00:00:00.000Z',
    retryAttempt: 0,
    attempts: 0,
    stage: 'validate',
    errorCode: 'schema_mismatch',
    eventId: randomUUID(),
    ...changes,
  });
}

function packed(content: string): string {
  const encoded = gzipSync(content).toString('base64');
  return forge({ originalEvent: undefined, contentEncoding: 'gzip+base64', content: encoded });
}

async function send({ sandbox }: Target, bodies: readonly string[]): Promise<void> {
  const { environment } = sandbox;
  const sdk = new SQSClient({
    endpoint: sandbox.url,
    region: environment['AWS_REGION'] ?? 'us-east-1',
    credentials: {
      accessKeyId: environment['AWS_ACCESS_KEY_ID'] ?? 'sandbox',
      secretAccessKey: environment['AWS_SECRET_ACCESS_KEY'] ?? 'sandbox',
    },
  });
  const QueueUrl = environment['DLQ_QUEUE_URL'];
  for (const MessageBody of bodies)
    await sdk.send(new SendMessageCommand({ QueueUrl, MessageBody }));
  sdk.destroy();
}

/** An operator who looks, tries and replays, again and again. */
async function operate({ service, credentials, signal }: Target): Promise<string> {
  const outcomes = createOutcomes();
  const ways = [
    ['GET', '/dead-letters?peek=10'],
    ['POST', '/dead-letters/replay?dryRun=true'],
    ['POST', '/dead-letters/replay'],
  ] as const;
  for (let turn = 0; !signal.aborted; turn += 1) {
    const [method, path] = ways[turn % ways.length] ?? ways[0];
    const answer = await fetch(service.url + path, { method, headers: credentials });
    await answer.text();
    outcomes.add(`${method} ${answer.status}`);
  }
  return outcomes.toString();
}

testAttack({
  attack: 'letters that unpack to 33 MB',
  forMs: 8000,
  async run(target) {
    const bombs = [
      `{"originalEvent":"${'x'.repeat(BOMB_BYTES)}"}`,
      `{"originalEvent":[${'{},'.repeat(BOMB_BYTES / 3)}{}]}`,
      `{"originalEvent":"${'x'.repeat(3 * BOMB_BYTES)}"}`,
    ].map(packed);
    await send(target, Array.from({ length: 4 }, () => bombs).flat());
    return `${4 * bombs.length} letters; ${await operate(target)}`;
  },
});

testAttack({
  attack: 'letters that nothing can read',
  forMs: 5000,
  async run(target) {
    const deep = `${'['.repeat(DEEP)}${']'.repeat(DEEP)}`;
    const poison = [
      forge({}).replace('"payload":{}', `"payload":${deep}`),
      forge({ originalEvent: { id: '\uD800', createdTime: '\uDFFF', eventType: '\uD800' } }),
      forge({ originalEvent: { id: '%E0%A4%A', toString: 1, ['__proto__']: null } }),
      forge({ eventId: '\uD800'.repeat(1000), errorCode: '__proto__' }),
      packed('no JSON'),
      packed(`{"originalEvent":${deep}}`),
      deep,
      'null',
    ];
    await send(target, Array.from({ length: 10 }, () => poison).flat());
    return `${10 * poison.length} letters; ${await operate(target)}`;
  },
});
