import { expect, test } from 'vitest';
import { createRarely } from '../../../src/lib/limits/rarely.ts';

test('one line a second, with the number of calls that it stands for', () => {
  const lines: [number, string][] = [];
  let nowMs = 0;
  const log = createRarely(
    (count, name: string) => lines.push([count, name]),
    () => nowMs,
  );

  log('a');
  log('b');
  nowMs = 999;
  log('c');
  expect(lines).toEqual([[1, 'a']]);

  nowMs = 1000;
  log('d');
  nowMs = 2000;
  log('e');
  expect(lines).toEqual([
    [1, 'a'],
    [3, 'd'],
    [1, 'e'],
  ]);
});
