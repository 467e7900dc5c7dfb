import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { createAvailability } from '../../../src/lib/health/availability.ts';
import {
  type DependencyCheckOptions,
  startDependencyCheck,
} from '../../../src/lib/health/dependency-check.ts';
import { createHealth } from '../../../src/lib/health/health.ts';
import { createLogger } from '../../../src/lib/logger.ts';

/** Sleeps until it is told to go on; keeps how long it should have been. */
function sleepUntilAborted() {
  const delaysMs: number[] = [];
  return {
    delaysMs,
    sleep: async (ms: number, signal?: AbortSignal) => {
      delaysMs.push(ms);
      if (signal === undefined) throw new Error('nothing could end this sleep');
      if (!signal.aborted) await once(signal, 'abort');
    },
  };
}

function start(
  check: DependencyCheckOptions['check'],
  options: Partial<DependencyCheckOptions> = {},
) {
  const health = createHealth();
  const logged: string[] = [];
  const log = createLogger({ level: 'info', destination: { write: (l) => void logged.push(l) } });
  const running = startDependencyCheck({
    check,
    availability: createAvailability({ what: 'It', reporter: health.dependency('it'), log }),
    consequence: () => 'nobody is served',
    retry: { baseMs: 1000, capMs: 8000 },
    random: () => 0.5,
    ...options,
  });
  onTestFinished(() => running.stop());
  return { ...running, health: () => health.snapshot()[0], logged };
}

test('it waits longer after each failure, up to the cap, and the interval after a success', async () => {
  const { sleep, delaysMs } = sleepUntilAborted();
  const results = [...Array.from({ length: 6 }, () => 'away'), 'fine', 'away'];
  const parts = start(
    async () => {
      if (results.shift() === 'fine') return 'version 7';
      throw new Error('away');
    },
    { sleep, intervalMs: 60_000 },
  );
  await expect.poll(() => delaysMs).toHaveLength(1);
  for (let round = 0; round < 6; round += 1) await parts.checkNow();
  expect(parts.health()).toMatchObject({ state: 'up', note: 'version 7' });
  await parts.checkNow();
  expect(parts.health()).toMatchObject({ state: 'down', lastError: { message: 'away' } });
  expect(delaysMs).toEqual([1500, 2000, 3000, 5000, 5000, 5000, 60_000, 1500]);
});

test('a failure that lasts is logged once, and its end is', async () => {
  let isAway = true;
  const parts = start(
    async () => {
      if (isAway) throw new Error('away');
      return undefined;
    },
    { ...sleepUntilAborted(), intervalMs: 60_000 },
  );
  await parts.checkNow();
  await parts.checkNow();
  isAway = false;
  await parts.checkNow();
  await parts.checkNow();
  expect(parts.logged).toHaveLength(2);
  expect(parts.logged[0]).toContain('It is not working: nobody is served');
  expect(parts.logged[1]).toContain('It is working again');
});

test('without an interval the first success is the last check', async () => {
  let checks = 0;
  const parts = start(async () => {
    checks += 1;
    return undefined;
  });
  await parts.checkNow();
  await parts.checkNow();
  expect(checks).toBe(1);
  expect(parts.health()?.state).toBe('up');
});

test('stop() ends a check that hangs, reports nothing of it, and frees who waits for it', async () => {
  const parts = start(async (signal) => {
    await once(signal, 'abort');
    throw new Error('stopped');
  });
  const waiting = parts.checkNow();
  await parts.stop();
  await waiting;
  await parts.checkNow();
  expect(parts.health()?.state).toBe('starting');
  expect(parts.logged).toEqual([]);
});
