import { afterEach, expect, test } from 'vitest';
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

test('without the worker AWS is not asked', async () => {
  const { results } = await check({}, { WORKER_ENABLED: 'false' });
  expect(results.find(({ subject }) => subject === 'EventBridge and SQS')?.status).toBe('skipped');
});
