import { expect, onTestFinished, test } from 'vitest';
import { startForTrial } from '../../src/sandbox/trial.ts';
import { loadConfig } from '../../src/settings/load-config.ts';

const QUEUE = 'https://sqs.eu-central-1.amazonaws.com/1/dead';

async function trial(environment: Readonly<Record<string, string>>) {
  const started = await startForTrial(environment);
  onTestFinished(() => started.stop());
  const merged = { ...environment, ...started.environment };
  return { merged, config: loadConfig(merged) };
}

test('made-up events never reach a real bus, whatever AWS settings are there', async () => {
  const { config, merged } = await trial({
    AWS_REGION: 'eu-central-1',
    AWS_PROFILE: 'production',
    AWS_SESSION_TOKEN: 'real',
    AWS_ENDPOINT_URL_EVENTBRIDGE: 'https://events.eu-central-1.amazonaws.com',
    EVENTBUS_NAME: 'orders',
    DLQ_QUEUE_URL: QUEUE,
  });
  expect(config.AWS_ENDPOINT_URL).toBe(config.GENESYS_BASE_URL);
  expect(config.AWS_ENDPOINT_URL_EVENTBRIDGE).toBeUndefined();
  expect(config.DLQ_QUEUE_URL).toContain(config.GENESYS_BASE_URL);
  expect(config.EVENTBUS_NAME).not.toBe('orders');
  expect(merged).toMatchObject({
    AWS_ACCESS_KEY_ID: 'sandbox',
    AWS_PROFILE: '',
    AWS_SESSION_TOKEN: '',
  });
});

test('an emulator of AWS is kept with its settings', async () => {
  const own = {
    AWS_ENDPOINT_URL: 'http://127.0.0.1:4566',
    AWS_REGION: 'eu-central-1',
    AWS_PROFILE: 'emulator',
    EVENTBUS_NAME: 'orders',
    DLQ_QUEUE_URL: 'http://127.0.0.1:4566/000000000000/dead',
  };
  const { merged } = await trial(own);
  expect(merged).toMatchObject(own);
  expect(merged).not.toHaveProperty('AWS_ACCESS_KEY_ID');
});
