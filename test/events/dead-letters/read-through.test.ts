import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { readThrough } from '../../../src/events/dead-letters/read-through.ts';
import { createLogger } from '../../../src/lib/logger.ts';
import { operator } from './support/operator.ts';

test('letters that come back while it takes long are looked at once', async () => {
  const { forge, queue } = await operator({ deadLetterQueue: 'letters' });
  await forge(...Array.from({ length: 130 }, (_, n) => `message ${n}`));
  const seen: string[] = [];
  const report = await readThrough(
    {
      // As hidden for five minutes, only faster.
      queue: {
        ...queue,
        receive: (options, signal) => queue.receive({ ...options, visibilitySeconds: 1 }, signal),
      },
      max: 1000,
      async handle(letters) {
        seen.push(...letters.map(({ body }) => body));
        await sleep(1100);
        return letters;
      },
      onExamined: () => undefined,
      log: createLogger({ level: 'silent' }),
      now: Date.now,
    },
    new AbortController().signal,
  );
  expect(report).toMatchObject({ examined: 130, heldByOthers: 0, endedBy: 'empty' });
  expect(new Set(seen).size).toBe(130);
  expect(seen).toHaveLength(130);
  expect(await queue.counts()).toEqual({ visible: 130, inFlight: 0, delayed: 0 });
});
