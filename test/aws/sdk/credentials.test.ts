import { chmod, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { createMetricsStore } from '../../../src/aws/cloudwatch.ts';
import { createEventBus } from '../../../src/aws/event-bridge.ts';
import { createSchemaRegistry } from '../../../src/aws/schema-registry.ts';
import { type AwsCredentialsOptions, createCredentials } from '../../../src/aws/sdk/credentials.ts';
import { createDeadLetterQueue } from '../../../src/aws/sqs/dead-letter-queue.ts';
import type { BusEntry } from '../../../src/events/ports.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { interactions, sandboxForTest, workerOn } from '../../support/worker-under-test.ts';
import { type RunningAws, startAws, useTestCredentials, wayTo } from '../aws-sandbox.ts';

useTestCredentials();

let sandbox: RunningAws;
let home: string;
beforeEach(async () => {
  sandbox = await startAws();
  home = await mkdtemp(join(tmpdir(), 'home-'));
  await mkdir(join(home, '.aws'));
  vi.stubEnv('HOME', home);
  for (const name of [
    'ACCESS_KEY_ID',
    'SECRET_ACCESS_KEY',
    'CONFIG_FILE',
    'SHARED_CREDENTIALS_FILE',
  ]) {
    vi.stubEnv(`AWS_${name}`, undefined);
  }
});
afterEach(async () => {
  await sandbox.close();
  await rm(home, { recursive: true, force: true });
});

const entry: BusEntry = {
  source: 'genesys.cloud',
  detailType: 'interaction.event',
  detail: '{"interactionId":"i-1"}',
  time: new Date('2026-01-02T03:04:05Z'),
  resources: [],
};
const REFUSED = { code: 'eventbridge_credentials', kind: 'systemic' };

/** As an operator, or a side-car, writes it. */
async function writeKey(accessKeyId: string): Promise<void> {
  const lines = ['[default]', `aws_access_key_id = ${accessKeyId}`, 'aws_secret_access_key = s'];
  await writeFile(join(home, '.aws', 'credentials'), `${lines.join('\n')}\n`);
}

/** A `credential_process` that says the key in `key`, good for decades, and counts how often it is asked. */
async function writeProcess(): Promise<{ asked: () => Promise<number> }> {
  const script = join(home, 'keys.sh');
  const log = join(home, 'asked');
  await writeFile(log, '');
  await writeFile(join(home, 'key'), 'FIRST');
  await writeFile(
    script,
    `#!/bin/sh\necho x >> ${log}\nsleep 0.05\n` +
      `printf '{"Version":1,"AccessKeyId":"%s","SecretAccessKey":"s","SessionToken":"t","Expiration":"2099-01-01T00:00:00Z"}' "$(cat ${home}/key)"\n`,
  );
  await chmod(script, 0o755);
  await writeFile(join(home, '.aws', 'config'), `[default]\ncredential_process = ${script}\n`);
  return { asked: async () => (await readFile(log, 'utf8')).length / 2 };
}

function busWith(options: AwsCredentialsOptions = {}) {
  const credentials = createCredentials(options);
  const bus = createEventBus({
    ...wayTo(sandbox.url),
    credentials,
    busName: 'orders',
    maxBytes: 1_000_000,
  });
  onTestFinished(() => bus.close());
  return { bus, credentials };
}

describe('keys of the shared file', () => {
  test('that were rotated are picked up by the call that meets the refusal', async () => {
    await writeKey('OLD');
    const { bus } = busWith();
    await bus.put([entry]);
    await writeKey('NEW');
    await bus.put([entry]);
    sandbox.aws.revokeAccessKey('OLD');
    expect(await bus.put([entry])).toEqual([{ accepted: true }]);
    await bus.check();
    expect(sandbox.aws.busEventCount()).toBe(3);
  });

  test('that were revoked before there are new ones: refused until the file has some', async () => {
    await writeKey('OLD');
    const { bus } = busWith({ restMs: 50 });
    await bus.put([entry]);
    sandbox.aws.revokeAccessKey('OLD');
    await expect(bus.put([entry])).rejects.toMatchObject(REFUSED);
    await expect(bus.put([entry])).rejects.toMatchObject(REFUSED);
    await writeKey('NEW');
    await vi.waitFor(() => bus.put([entry]), { timeout: 5000, interval: 10 });
    expect(sandbox.aws.busEventCount()).toBe(2);
  });

  test('that appear after the start are found', async () => {
    const { bus } = busWith();
    await expect(bus.check()).rejects.toMatchObject(REFUSED);
    await writeKey('LATE');
    await bus.check();
  });

  test('that are refused for good are looked up once per rest, however many calls fail', async () => {
    const { asked } = await writeProcess();
    const { bus } = busWith({ restMs: 60_000 });
    await bus.put([entry]);
    sandbox.aws.revokeAccessKey('FIRST');
    const calls = Array.from({ length: 30 }, () => bus.put([entry]));
    for (const outcome of await Promise.allSettled(calls)) expect(outcome.status).toBe('rejected');
    await expect(bus.put([entry])).rejects.toMatchObject(REFUSED);
    expect(await asked()).toBe(2);
  });
});

test('what the SDK would say on the console is said in the log, in words of ours', async () => {
  await writeKey('FILE');
  vi.stubEnv('AWS_PROFILE', 'default');
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'ENVIRONMENT');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 's');
  const spoken = vi.spyOn(console, 'warn');
  onTestFinished(() => spoken.mockRestore());
  const lines: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (l) => void lines.push(l) } });
  const { bus } = busWith({ log });
  sandbox.aws.revokeAccessKey('ENVIRONMENT');
  await bus.check();
  expect(spoken).not.toHaveBeenCalled();
  expect(lines.map((line) => (JSON.parse(line) as { remark: string }).remark)).toEqual([
    'AWS_PROFILE is set, and so are keys in the environment: the profile is used',
  ]);
});

test('one look-up serves all four services', async () => {
  const { asked } = await writeProcess();
  const common = { ...wayTo(sandbox.url), credentials: createCredentials() };
  const bus = createEventBus({ ...common, busName: 'orders', maxBytes: 1_000_000 });
  const queue = createDeadLetterQueue({ ...common, queueUrl: sandbox.queueUrl });
  const metrics = createMetricsStore(common);
  const schemas = createSchemaRegistry(common);
  sandbox.aws.putSchema({ registry: 'r', name: 's', type: 'JSONSchemaDraft4', content: '{}' });
  const useAll = () =>
    Promise.all([
      bus.check(),
      queue.check(),
      metrics.put([{ name: 'm', unit: 'Count', timestamp: new Date(), values: [1], counts: [1] }]),
      schemas.describe({ registry: 'r', name: 's' }),
    ]);
  await useAll();
  expect(await asked()).toBe(1);
  await writeFile(join(home, 'key'), 'SECOND');
  sandbox.aws.revokeAccessKey('FIRST');
  await useAll();
  expect(await asked()).toBe(2);
  for (const client of [bus, queue, metrics, schemas]) client.close();
});

test('a running worker goes on over rotated and over revoked keys, and loses nothing', async () => {
  await writeKey('OLD');
  const genesys = await sandboxForTest();
  vi.stubEnv('AWS_ACCESS_KEY_ID', undefined);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', undefined);
  const under = await workerOn(genesys, { credentials: { restMs: 20 } });
  const state = (name: string) =>
    under.health.snapshot().find((dependency) => dependency.name === name);
  const until = (assertion: () => void) => vi.waitFor(assertion, { timeout: 12_000, interval: 5 });
  under.worker.start();
  await until(() => expect(under.health.ready).toBe(true));
  const events = interactions(200);
  genesys.emit(events.slice(0, 50));
  await until(() => expect(under.stats.counts.published).toBe(50));

  await writeKey('NEW');
  genesys.cloud.revokeAccessKey('OLD');
  genesys.emit(events.slice(50, 100));
  await until(() => expect(under.stats.counts.published).toBe(100));
  expect(state('bus')?.lastError).toBeUndefined();

  genesys.cloud.revokeAccessKey('NEW');
  genesys.emit(events.slice(100));
  await until(() => expect(state('bus')?.state).toBe('down'));
  expect(state('bus')?.lastError?.code).toBe('eventbridge_credentials');
  await writeKey('NEWEST');
  await until(() => expect(under.stats.counts.published).toBe(200));
  expect([...genesys.cloud.acceptedIds].sort()).toEqual(events.map(({ id }) => id));
  expect(state('bus')?.state).toBe('up');
});
