import { expect, test } from 'vitest';
import { createTurns } from '../../../src/lib/limits/loop-turns.ts';

const alive = new AbortController().signal;

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
      await turns(alive);
      order.push([name, turnOfLoop]);
    }),
  );
  clearImmediate(counting);
  expect(order.map(([name]) => name)).toEqual(['a', 'b', 'c', 'd']);
  expect(new Set(order.map(([, turn]) => turn)).size).toBe(4);
});

test('one that comes later is served as well', async () => {
  const turns = createTurns();
  await turns(alive);
  await Promise.all([turns(alive), turns(alive)]);
  await turns(alive);
});

test('those that left cost nobody a turn, however many they were', async () => {
  const turns = createTurns();
  const leaving = new AbortController();
  const left = Promise.allSettled(Array.from({ length: 100_000 }, () => turns(leaving.signal)));
  const last = turns(alive);
  leaving.abort(new Error('gone'));
  let turnsOfLoop = 0;
  let counting: NodeJS.Immediate | undefined;
  const count = () => {
    turnsOfLoop += 1;
    counting = setImmediate(count);
  };
  count();
  await last;
  clearImmediate(counting);
  expect(turnsOfLoop).toBeLessThan(3);
  expect(new Set((await left).map(({ status }) => status))).toEqual(new Set(['rejected']));
});
