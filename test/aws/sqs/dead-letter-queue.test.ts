import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  CreateQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { startFauxqs } from 'fauxqs';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { createDeadLetterQueue } from '../../../src/aws/sqs/dead-letter-queue.ts';
import type { DeadLetter, ReceivedLetter } from '../../../src/events/ports.ts';
import { loadConfig } from '../../../src/settings/load-config.ts';
import { awsConnections } from '../../../src/wiring/aws.ts';
import { startAws, useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

function letter(changes: Partial<DeadLetter> = {}): DeadLetter {
  return {
    originalEvent: { id: 'raw-1', payload: { type: 'voice' } },
    error: 'detail/priority must be string',
    timestamp: '2026-01-02T03:04:05.678Z',
    retryAttempt: 2,
    stage: 'validate',
    errorCode: 'schema_violation',
    attempts: 1,
    eventId: 'e-1',
    firstSeen: '2026-01-02T03:04:00.000Z',
    ...changes,
  };
}

const many = (count: number, changes: Partial<DeadLetter> = {}) =>
  Array.from({ length: count }, (_, index) => letter({ eventId: `e-${index}`, ...changes }));

/** Text that gzip cannot make smaller. */
function noise(length: number): string {
  let seed = 42;
  let text = '';
  while (text.length < length) {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    text += seed.toString(36);
  }
  return text.slice(0, length);
}

interface Sqs {
  readonly url: string;
  close(): Promise<void>;
}

/** The same conversation with our own look-alike and with one that others wrote. */
const implementations: Record<string, () => Promise<Sqs>> = {
  'the sandbox': () => startAws(),
  async fauxqs() {
    const server = await startFauxqs({ port: 0, logger: false });
    return { url: `http://127.0.0.1:${server.port}`, close: () => server.stop() };
  },
};

describe.each(Object.entries(implementations))('on %s', (name, start) => {
  describe.each(['letters', 'letters.fifo'])('queue %s', (queueName) => {
    let server: Sqs;
    let sdk: SQSClient;
    let queueUrl: string;
    let queue: ReturnType<typeof createDeadLetterQueue>;
    const isFifo = queueName.endsWith('.fifo');

    beforeEach(async () => {
      server = await start();
      sdk = new SQSClient({
        region: 'us-east-1',
        endpoint: server.url,
        credentials: { accessKeyId: 'test', secretAccessKey: 'test' },
      });
      const created = await sdk.send(
        new CreateQueueCommand({
          QueueName: queueName,
          Attributes: {
            MaximumMessageSize: '262144',
            ...(isFifo ? { FifoQueue: 'true' } : {}),
          },
        }),
      );
      queueUrl = created.QueueUrl ?? '';
      queue = createDeadLetterQueue({ ...wayTo(server.url), queueUrl });
    });
    afterEach(async () => {
      queue.close();
      sdk.destroy();
      await server.close();
    });

    const peek = async () => {
      const answer = await sdk.send(
        new ReceiveMessageCommand({
          QueueUrl: queueUrl,
          MaxNumberOfMessages: 10,
          MessageAttributeNames: ['All'],
          MessageSystemAttributeNames: ['All'],
        }),
      );
      return answer.Messages ?? [];
    };

    /** In rounds: while a letter of a FIFO group is under way, the next ones wait. */
    async function takeAll(count: number): Promise<readonly ReceivedLetter[]> {
      const taken: ReceivedLetter[] = [];
      while (taken.length < count) {
        const some = await queue.receive({ max: count - taken.length, visibilitySeconds: 60 });
        expect(some.length).toBeGreaterThan(0);
        expect((await queue.counts()).inFlight).toBe(some.length);
        await queue.delete(some.map(({ receipt }) => receipt));
        taken.push(...some);
      }
      return taken;
    }

    test('25 letters come back as they were sent, and are gone once deleted', async () => {
      const letters = many(25, { schemaVersion: '3', transformedEvent: { source: 'genesys' } });
      expect(await queue.send(letters)).toEqual(letters.map(() => undefined));
      expect(await queue.counts()).toEqual({ visible: 25, inFlight: 0, delayed: 0 });

      const taken = await takeAll(25);
      expect(taken.map((one) => one.letter)).toEqual(expect.arrayContaining(letters));
      expect(taken[0]?.receiveCount).toBe(1);
      expect(Math.abs(Date.now() - Number(taken[0]?.sentAt))).toBeLessThan(60_000);
      expect(await queue.counts()).toEqual({ visible: 0, inFlight: 0, delayed: 0 });
    });

    test('a released letter can be received again at once', async () => {
      await queue.send([letter()]);
      const [first] = await queue.receive({ max: 1, visibilitySeconds: 60 });
      expect(await queue.counts()).toEqual({ visible: 0, inFlight: 1, delayed: 0 });
      await queue.release([first?.receipt ?? '']);
      const [second] = await queue.receive({ max: 1, visibilitySeconds: 60 });
      expect(second).toMatchObject({ messageId: first?.messageId, receiveCount: 2 });
    });

    test('the message is plain JSON with attributes in the style of EventBridge', async () => {
      await queue.send([
        letter({
          stage: 'publish',
          errorCode: 'eventbridge_throttled',
          retryAttempt: 5,
          cause: 'retries',
        }),
      ]);
      const [message] = await peek();
      expect(JSON.parse(message?.Body ?? '')).toMatchObject({
        originalEvent: { id: 'raw-1', payload: { type: 'voice' } },
        error: 'detail/priority must be string',
        timestamp: '2026-01-02T03:04:05.678Z',
        retryAttempt: 5,
      });
      const attributes = Object.entries(message?.MessageAttributes ?? {}).map(
        ([name, { StringValue }]) => [name, StringValue],
      );
      expect(Object.fromEntries(attributes)).toEqual({
        ERROR_CODE: 'eventbridge_throttled',
        ERROR_MESSAGE: 'detail/priority must be string',
        EVENT_ID: 'e-1',
        EXHAUSTED_RETRY_CONDITION: 'MaximumRetryAttempts',
        FIRST_SEEN: '2026-01-02T03:04:00.000Z',
        RETRY_ATTEMPTS: '5',
        STAGE: 'publish',
      });
      if (isFifo) {
        expect(message?.Attributes?.MessageGroupId).toBe('eventbridge-failures');
        expect(message?.Attributes?.MessageDeduplicationId).toMatch(/^e-1:[0-9a-f]{64}$/);
      }
    });

    test('a FIFO queue stores a letter once, a standard queue as often as it is sent', async () => {
      const odd = letter({ eventId: `an id with blanks ${'x'.repeat(200)}` });
      expect(await queue.send([odd, odd])).toEqual([undefined, undefined]);
      expect(await queue.send([odd])).toEqual([undefined]);
      expect((await queue.counts()).visible).toBe(isFifo ? 1 : 3);
    });

    test('a replayed event that failed again is stored again, within minutes, on any queue', async () => {
      const first = letter();
      await queue.send([first]);
      const [received] = await queue.receive({ max: 1, visibilitySeconds: 30 });
      await queue.delete([received?.receipt ?? '']);
      await queue.send([letter({ timestamp: '2026-01-02T03:05:00.000Z' })]);
      expect((await queue.counts()).visible).toBe(1);
    });

    test('characters that SQS refuses arrive unharmed', async () => {
      // SQS takes characters beyond U+FFFF, fauxqs does not.
      const music = name === 'fauxqs' ? '' : '🎧';
      const originalEvent = { 'key\uFFFE': `a\uFFFF b\u0000 c\u001F d\uD800 e${music}` };
      const strange = letter({ originalEvent, error: 'bad \u0000\uFFFF\uD800 text', eventId: 'é' });
      expect(await queue.send([strange])).toEqual([undefined]);
      const [received] = await queue.receive({ max: 1, visibilitySeconds: 60 });
      expect(received?.letter).toEqual(strange);
    });

    test('a letter that is too large is packed, and unpacked when it is received', async () => {
      const large = letter({ originalEvent: { text: 'compressible '.repeat(40_000) } });
      expect(await queue.send([large])).toEqual([undefined]);
      const [message] = await peek();
      expect(message?.MessageAttributes).toMatchObject({
        CONTENT_ENCODING: { StringValue: 'gzip+base64' },
      });
      expect(JSON.parse(message?.Body ?? '')).toMatchObject({
        eventId: 'e-1',
        error: 'detail/priority must be string',
        contentEncoding: 'gzip+base64',
      });
      await queue.release([message?.ReceiptHandle ?? '']);
      const [received] = await queue.receive({ max: 1, visibilitySeconds: 60 });
      expect(received?.letter).toEqual(large);
    });

    test('what is too large even so is cut, and says so', async () => {
      const huge = letter({ originalEvent: { text: noise(400_000) }, transformedEvent: {} });
      expect(await queue.send([huge, letter({ eventId: 'e-2' })])).toEqual([undefined, undefined]);
      const received = await takeAll(2);
      const cut = received.find((one) => one.letter?.eventId === 'e-1')?.letter;
      expect(cut).toMatchObject({ truncated: true, error: huge.error });
      expect(cut?.originalEvent).toBe(
        JSON.stringify(huge.originalEvent).slice(0, String(cut?.originalEvent).length),
      );
      expect(String(cut?.originalEvent).length).toBeGreaterThan(250_000);
    });

    test('messages of others are shown as such, whatever they look like', async () => {
      const packed = { ...letter(), originalEvent: undefined, contentEncoding: 'gzip+base64' };
      const bodies = [
        'hello',
        '[]',
        '{"originalEvent":1}',
        JSON.stringify({ ...letter(), stage: 'elsewhere' }),
        JSON.stringify({ ...packed, content: 'bm8=' }),
        JSON.stringify({ ...packed, contentEncoding: 'br', content: 'bm8=' }),
      ];
      for (const [index, MessageBody] of bodies.entries()) {
        const ids = { MessageGroupId: 'others', MessageDeduplicationId: `m-${index}` };
        await sdk.send(
          new SendMessageCommand({ QueueUrl: queueUrl, MessageBody, ...(isFifo ? ids : {}) }),
        );
      }
      const received = await takeAll(bodies.length);
      expect(received.map((one) => one.letter)).toEqual(bodies.map(() => undefined));
    });
  });
});

describe('faults', () => {
  let sandbox: Awaited<ReturnType<typeof startAws>>;
  let queue: ReturnType<typeof createDeadLetterQueue>;
  beforeEach(async () => {
    sandbox = await startAws();
    queue = createDeadLetterQueue({ ...wayTo(sandbox.url), queueUrl: sandbox.queueUrl });
  });
  afterEach(async () => {
    queue.close();
    await sandbox.close();
  });

  test('entries that SQS failed are sent again, those only', async () => {
    sandbox.faults.add({
      target: 'aws.sqs.SendMessageBatch',
      entryFailures: { ids: ['1', '3'], code: 'InternalFailure' },
      times: 2,
    });
    expect(await queue.send(many(4))).toEqual([undefined, undefined, undefined, undefined]);
    expect(sandbox.aws.deadLetters()).toHaveLength(4);
    expect(sandbox.requests.count('aws.sqs.SendMessageBatch')).toBe(3);
  });

  test('an entry that SQS blames the sender for is answered with its error', async () => {
    sandbox.faults.add({
      target: 'aws.sqs.SendMessageBatch',
      entryFailures: { ids: ['1'], code: 'InvalidMessageContents' },
    });
    expect(await queue.send(many(3))).toMatchObject([
      undefined,
      { code: 'sqs_refused', kind: 'reject' },
      undefined,
    ]);
    expect(sandbox.requests.count('aws.sqs.SendMessageBatch')).toBe(1);
  });

  test('when SQS is away every letter is answered with that, after one try', async () => {
    await queue.check();
    sandbox.faults.add({ target: 'aws.sqs', status: 503 });
    const answers = await queue.send(many(25));
    expect(answers).toHaveLength(25);
    for (const answer of answers) {
      expect(answer).toMatchObject({ code: 'sqs_unavailable', kind: 'retry' });
    }
    expect(sandbox.requests.count('aws.sqs.SendMessageBatch')).toBe(1);
  });

  test('a batch that is refused as a whole goes letter by letter', async () => {
    sandbox.faults.add({
      target: 'aws.sqs.SendMessageBatch',
      status: 400,
      code: 'InvalidMessageContents',
      times: 2,
    });
    expect(await queue.send(many(3))).toMatchObject([
      { code: 'sqs_refused', kind: 'reject' },
      undefined,
      undefined,
    ]);
  });

  test('a queue that is missing is systemic, and is noticed when it appears', async () => {
    sandbox.aws.deleteQueue('dead-letters');
    const missing = { code: 'sqs_queue_missing', kind: 'systemic' };
    await expect(queue.check()).rejects.toMatchObject(missing);
    expect(await queue.send([letter()])).toMatchObject([missing]);

    sandbox.aws.createQueue('dead-letters');
    await queue.check();
    expect(await queue.send([letter()])).toEqual([undefined]);
  });

  test('a limit that was made smaller counts from the next check on', async () => {
    const large = letter({ originalEvent: { text: 'compressible '.repeat(20_000) } });
    expect(await queue.send([large])).toEqual([undefined]);
    const sdk = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url });
    await sdk.send(
      new SetQueueAttributesCommand({
        QueueUrl: sandbox.queueUrl,
        Attributes: { MaximumMessageSize: '8192' },
      }),
    );
    sdk.destroy();
    expect(await queue.send([large])).toMatchObject([{ code: 'sqs_too_large', kind: 'reject' }]);
    await queue.check();
    expect(await queue.send([large])).toEqual([undefined]);
  });

  test('deleting is repeated until it is done, call and entries', async () => {
    await queue.send(many(12));
    const received = await queue.receive({ max: 12, visibilitySeconds: 60 });
    sandbox.faults.add({ target: 'aws.sqs.DeleteMessageBatch', status: 500, times: 1 });
    sandbox.faults.add({
      target: 'aws.sqs.DeleteMessageBatch',
      entryFailures: { ids: ['1'], code: 'ServiceUnavailable' },
      times: 1,
    });
    await queue.delete(received.map(({ receipt }) => receipt));
    expect(sandbox.aws.deadLetters()).toEqual([]);
  });

  test('an empty queue has no letters', async () => {
    expect(await queue.receive({ max: 10, visibilitySeconds: 60 })).toEqual([]);
  });

  test('a receipt that is none is an error that names the queue', async () => {
    const deletion = queue.delete(['no receipt']);
    await expect(deletion).rejects.toMatchObject({ code: 'sqs_refused', kind: 'reject' });
    await expect(deletion).rejects.toThrow(sandbox.queueUrl);
  });

  test("an abort is rethrown as the signal's reason", async () => {
    await expect(queue.send([letter()], AbortSignal.abort('stopping'))).rejects.toBe('stopping');
    sandbox.faults.add({ target: 'aws.sqs.SendMessageBatch', hang: true });
    const stop = new AbortController();
    const sending = queue.send([letter()], stop.signal);
    await vi.waitFor(() =>
      expect(sandbox.requests.maxInFlight('aws.sqs.SendMessageBatch')).toBe(1),
    );
    stop.abort('stopping');
    await expect(sending).rejects.toBe('stopping');
  });

  const settings = {
    GENESYS_CLIENT_ID: 'c',
    GENESYS_CLIENT_SECRET: 's',
    AWS_REGION: 'us-east-1',
    AUTH_MODE: 'none',
  };

  test.each(['AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_SQS'])(
    "%s wins over the queue's own address",
    async (name) => {
      const queueUrl = 'https://sqs.eu-west-1.amazonaws.com/123456789012/dead-letters';
      const config = loadConfig({ ...settings, DLQ_QUEUE_URL: queueUrl, [name]: sandbox.url });
      const real = createDeadLetterQueue({ ...awsConnections(config).queueAt(queueUrl), queueUrl });
      expect(await real.send([letter()])).toEqual([undefined]);
      expect(sandbox.aws.deadLetters()).toHaveLength(1);
      real.close();
    },
  );

  test("without one the queue's host is called, as that of a VPC endpoint, and its region signs", async () => {
    const seen: (string | undefined)[] = [];
    const gateway = createServer((request, response) => {
      seen.push(request.headers.host, request.headers.authorization);
      response.writeHead(503).end();
    });
    await new Promise<void>((resolve) => gateway.listen(0, '127.0.0.1', resolve));
    const { port } = gateway.address() as AddressInfo;
    const named = 'https://vpce-1.sqs.eu-west-1.vpce.amazonaws.com/1/dead';
    const config = loadConfig({ ...settings, DLQ_QUEUE_URL: named });
    const queueUrl = `http://127.0.0.1:${port}/1/dead`;
    const real = createDeadLetterQueue({ ...awsConnections(config).queueAt(named), queueUrl });
    await expect(real.check()).rejects.toMatchObject({ code: 'sqs_unavailable' });
    expect(seen).toEqual([
      `127.0.0.1:${port}`,
      expect.stringMatching(/Credential=test\/\d{8}\/eu-west-1\/sqs\/aws4_request/),
    ]);
    real.close();
    gateway.close();
  });
});
