import { CreateQueueCommand, SetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, onTestFinished, test } from 'vitest';
import { checkRemote } from '../../src/cli/check/reachability.ts';
import type { SandboxOptions } from '../../src/sandbox/options.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/sandbox.ts';
import { loadConfig } from '../../src/settings/load-config.ts';

let sandbox: Sandbox;
afterEach(() => sandbox.stop());

async function check(options: SandboxOptions = {}, settings: Record<string, string> = {}) {
  sandbox = await startSandbox(options);
  for (const [name, value] of Object.entries(sandbox.environment)) {
    if (/^AWS_(?:ACCESS|SECRET)/.test(name)) process.env[name] = value;
  }
  const results = await checkRemote(
    loadConfig({ GENESYS_RETRY_BASE_MS: '5', ...sandbox.environment, ...settings }),
  );
  return {
    results,
    failed: results.filter(({ status }) => status === 'failed').map(({ subject }) => subject),
    message: (subject: string) => results.find((one) => one.subject.includes(subject))?.message,
  };
}

test('everything is there: each remote part by name, and nothing was changed', async () => {
  const { results, failed } = await check();
  expect(failed).toEqual([]);
  expect(results.map(({ subject, status }) => `${status} ${subject.split(' http')[0]}`)).toEqual([
    'ok Genesys token for attributes and analytics (jwt_bearer)',
    'ok Genesys token for events (client_credentials)',
    'ok Genesys permission customattributes:write',
    'ok Genesys permission analytics:read',
    'ok EventBridge bus interaction-bridge',
    'ok SQS dead-letter queue',
    'skipped CloudWatch metrics',
  ]);
  expect(sandbox.requests.count('genesys.subscriptions.create')).toBe(0);
  expect(sandbox.cloud.busEventCount()).toBe(0);
  expect(sandbox.records.stored.size).toBe(0);
});

test('what is missing is told with how to mend it', async () => {
  const { failed, message } = await check(
    { deniedPermissions: ['analytics:read'], deadLetterQueueExists: false },
    { EVENTBUS_NAME: 'no-such-bus', GENESYS_CLIENT_SECRET: 'wrong-secret' },
  );
  expect(failed.map((subject) => subject.split(' http')[0])).toEqual([
    'Genesys token for events (client_credentials)',
    'Genesys permission analytics:read',
    'EventBridge bus no-such-bus',
    'SQS dead-letter queue',
  ]);
  expect(message('token for events')).toContain('GENESYS_CLIENT_SECRET');
  expect(message('analytics:read')).toContain('Admin');
  expect(JSON.stringify(message('token for events'))).not.toContain('wrong-secret');
});

test('each role asks only whom it calls', async () => {
  const asked = async (settings: Record<string, string>) => {
    const { results } = await check({}, settings);
    await sandbox.stop();
    return results
      .filter(({ status }) => status === 'ok')
      .map(({ subject }) => subject.split(' http')[0]);
  };
  const buffer = { BUFFER_QUEUE_URL: `https://sqs.us-east-1.amazonaws.com/123456789012/none.fifo` };
  expect(await asked({ WORKER_ENABLED: 'false' })).toEqual([
    'Genesys token for attributes and analytics (jwt_bearer)',
    'Genesys permission customattributes:write',
    'Genesys permission analytics:read',
    'SQS dead-letter queue',
  ]);
  expect(await asked({ ROLES: 'reader', ...buffer })).toEqual([
    'Genesys token for events (client_credentials)',
    'SQS dead-letter queue',
  ]);
  expect(await asked({ ROLES: 'publisher', ...buffer })).toEqual([
    'EventBridge bus interaction-bridge',
    'SQS dead-letter queue',
  ]);
});

describe('the buffer', () => {
  const RIGHT = {
    MessageRetentionPeriod: '1209600',
    MaximumMessageSize: '1048576',
  };
  const FIFO = {
    FifoQueue: 'true',
    DeduplicationScope: 'messageGroup',
    FifoThroughputLimit: 'perMessageGroupId',
    ...RIGHT,
  };

  async function start(name: string, attributes: Record<string, string>) {
    sandbox = await startSandbox();
    Object.assign(process.env, {
      AWS_ACCESS_KEY_ID: sandbox.environment['AWS_ACCESS_KEY_ID'],
      AWS_SECRET_ACCESS_KEY: sandbox.environment['AWS_SECRET_ACCESS_KEY'],
    });
    const client = new SQSClient({ region: 'us-east-1', endpoint: sandbox.url });
    onTestFinished(() => client.destroy());
    const { QueueUrl = '' } = await client.send(
      new CreateQueueCommand({ QueueName: name, Attributes: attributes }),
    );
    return { client, QueueUrl };
  }

  async function look(queueUrl: string, settings: Record<string, string> = {}) {
    const results = await checkRemote(
      loadConfig({ ...sandbox.environment, BUFFER_QUEUE_URL: queueUrl, ...settings }),
    );
    return results.find(({ subject }) => subject.startsWith('SQS event buffer'));
  }

  test.each([
    ['right', 'right.fifo', FIFO, undefined],
    ['standard', 'standard', RIGHT, 'a standard queue: copies'],
  ])('is well: %s', async (_what, name, attributes, remark) => {
    const { QueueUrl } = await start(name, attributes);
    const { status, message } = (await look(QueueUrl)) ?? {};
    expect(status).toBe('ok');
    if (remark === undefined) expect(message).toBeUndefined();
    else expect(message).toContain(remark);
  });

  test('what is wrong is told, and the command that is told mends it', async () => {
    const redrive = 'arn:aws:sqs:us-east-1:123456789012:elsewhere';
    const wrong = {
      FifoQueue: 'true',
      MessageRetentionPeriod: '345600',
      MaximumMessageSize: '262144',
      DelaySeconds: '7',
      RedrivePolicy: JSON.stringify({ deadLetterTargetArn: redrive, maxReceiveCount: 5 }),
    };
    const { client, QueueUrl } = await start('wrong.fifo', wrong);

    const { status, message = '' } = (await look(QueueUrl)) ?? {};

    expect(status).toBe('failed');
    for (const name of ['FifoThroughputLimit', ...Object.keys(wrong).slice(1)]) {
      expect(message).toContain(`${name})`);
    }
    const [, url, json = ''] =
      /set-queue-attributes --region us-east-1 --queue-url '(.+)' --attributes '(.+)'$/.exec(
        message,
      ) ?? [];
    expect(url).toBe(QueueUrl);
    const Attributes = JSON.parse(json) as Record<string, string>;
    await client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes }));
    expect((await look(QueueUrl))?.status).toBe('ok');
    expect(JSON.parse(Attributes['RedrivePolicy'] ?? '')).toEqual({
      deadLetterTargetArn: redrive,
      maxReceiveCount: 100,
    });
  });

  test('one that is not there is told with the command that makes it', async () => {
    const { client, QueueUrl } = await start('other.fifo', FIFO);
    const missing = QueueUrl.replace('other', 'missing');

    const { message = '' } = (await look(missing)) ?? {};

    const [, QueueName, json = ''] =
      /make it: aws sqs create-queue --region us-east-1 --queue-name '(.+)' --attributes '(.+)'$/.exec(
        message,
      ) ?? [];
    expect(message).toContain('Check region, account and name');
    const Attributes = JSON.parse(json) as Record<string, string>;
    await client.send(new CreateQueueCommand({ QueueName, Attributes }));
    expect((await look(missing))?.status).toBe('ok');
  });

  test('another region is remarked on', async () => {
    const { QueueUrl } = await start('far', RIGHT);
    const name = new URL(QueueUrl).pathname;
    const far = await look(`https://sqs.eu-west-1.amazonaws.com${name}`, {
      AWS_ENDPOINT_URL_SQS: sandbox.url,
    });
    expect(far?.message).toContain('in eu-west-1, not in AWS_REGION (us-east-1)');
  });

  test.each(['ChangeMessageVisibilityBatch', 'DeleteMessageBatch', 'GetQueueAttributes'])(
    'who publishes is told that it may not %s',
    async (call) => {
      const { QueueUrl } = await start('buffer.fifo', FIFO);
      sandbox.faults.add({
        target: `aws.sqs.${call}`,
        status: 403,
        code: 'AccessDenied',
        message: `User: arn:aws:sts::123456789012:assumed-role/bridge/i is not authorized to perform: sqs:${call.replace('Batch', '')} on resource: ${QueueUrl}`,
      });
      expect(await look(QueueUrl)).toMatchObject({
        status: 'failed',
        message: expect.stringContaining(
          `Grant sqs:${call.replace('Batch', '')} to the role of this process`,
        ) as string,
      });
      if (call === 'GetQueueAttributes') return;
      expect(await look(QueueUrl, { ROLES: 'reader' })).toMatchObject({ status: 'ok' });
    },
  );
});
