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

test('a role is ready without what only others need; everything stays visible', () => {
  const health = setup();
  const bus = health.dependency('bus', { role: 'publisher' });
  const ours = health.dependency('token', { role: 'api' });
  const theirs = health.dependency('token', { role: 'reader' });
  const shared = health.dependency('disk');
  ours.up();
  shared.up();
  bus.down(new Error('away'));
  theirs.down(new Error('no scope'));

  expect([health.ready, health.readyFor('api'), health.readyFor('reader')]).toEqual([
    false,
    true,
    false,
  ]);
  expect(health.snapshot('api')).toMatchObject([
    { name: 'bus', state: 'down', required: false, role: 'publisher' },
    { name: 'token', state: 'down', required: false, role: 'reader' },
    { name: 'disk', state: 'up', required: true },
  ]);
  expect(health.snapshot()).toMatchObject([
    { name: 'bus', state: 'down', required: true },
    { name: 'token', state: 'down', required: true, role: 'reader' },
    { name: 'disk', state: 'up', required: true },
  ]);
  shared.down(new Error('full'));
  expect(health.readyFor('api')).toBe(false);
});
