import { expect, test } from 'vitest';
import { createTurns } from '../../../src/http/limits/loop-turns.ts';

test('each waiting computation has a turn of the event loop to itself, in order', async () => {
  let turnOfLoop = 0;
  let counting: NodeJS.Immediate | undefined;
  const count = () => {
    turnOfLoop += 1;
    counting = setImmediate(count);
  };
  count();
  const turns = createTurns();
  const order: [string, number][] = [];
  await Promise.all(
    ['a', 'b', 'c', 'd'].map(async (name) => {
      await turns();
      order.push([name, turnOfLoop]);
    }),
  );
  clearImmediate(counting);
  expect(order.map(([name]) => name)).toEqual(['a', 'b', 'c', 'd']);
  expect(new Set(order.map(([, turn]) => turn)).size).toBe(4);
});

test('one that comes later is served as well', async () => {
  const turns = createTurns();
  await turns();
  await Promise.all([turns(), turns()]);
  await turns();
});
