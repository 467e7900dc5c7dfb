import { expect, test } from 'vitest';
import { createHealth } from '../../../src/lib/health/health.ts';

function setup() {
  let clock = Date.parse('2026-01-01T00:00:00Z');
  const health = createHealth(() => new Date((clock += 1000)));
  return health;
}

test('ready means that all required dependencies are up', () => {
  const health = setup();
  expect(health.ready).toBe(true);
  const genesys = health.dependency('genesys');
  const cloudwatch = health.dependency('cloudwatch', { required: false });
  const worker = health.dependency('worker');
  expect(health.ready).toBe(false);
  genesys.up();
  expect(health.ready).toBe(false);
  worker.up();
  expect(health.ready).toBe(true);
  cloudwatch.down(new Error('away'));
  expect(health.ready).toBe(true);
  genesys.down(new Error('away'));
  expect(health.ready).toBe(false);
  expect(genesys.state).toBe('down');
});

test('the last error stays after recovery, with its code and time; the state has its own', () => {
  const health = setup();
  const bus = health.dependency('eventbridge');
  bus.down(Object.assign(new Error('No such bus'), { code: 'eventbridge_missing_bus' }));
  const [down] = health.snapshot();
  bus.down(new Error('Still none'));
  expect(health.snapshot()[0]).toMatchObject({ since: down?.since, state: 'down' });
  bus.up('bus default');
  expect(health.snapshot()).toEqual([
    {
      name: 'eventbridge',
      state: 'up',
      required: true,
      since: expect.not.stringMatching(down?.since ?? '') as unknown,
      note: 'bus default',
      lastError: { message: 'Still none', at: expect.any(String) as unknown },
    },
  ]);
  bus.up();
  expect(health.snapshot()[0]).not.toHaveProperty('note');
});

test('takes whatever was thrown', () => {
  const health = setup();
  health.dependency('sqs').down('a string');
  expect(health.snapshot()[0]?.lastError?.message).toBe('a string');
});
