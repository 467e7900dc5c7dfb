import { describe, expect, test } from 'vitest';
import { createHoldBack } from '../../../src/events/worker/hold-back.ts';

const { signal } = new AbortController();

/** How often the stream was held while so many events came in chunks of this size. */
function holdsOf(
  events: number,
  chunk: number,
  state: { readonly crowded?: boolean; readonly emptying?: boolean } = {},
) {
  const { crowded = true, emptying = true } = state;
  const waits: number[] = [];
  let commits = 0;
  const holdBack = createHoldBack({
    supply: { crowded, whenRoomy: async (_signal, timeoutMs) => void waits.push(timeoutMs) },
    isEmptying: () => emptying,
    commit() {
      commits += 1;
    },
  });
  for (let left = events; left > 0; left -= chunk) void holdBack(Math.min(chunk, left), signal);
  expect(commits).toBe(waits.length);
  for (const ms of waits) expect(ms).toBe(50);
  return waits.length;
}

describe('while memory is full', () => {
  test('a stream of single events is held no more often than one of many', () => {
    expect(holdsOf(5120, 1)).toBe(20);
    expect(holdsOf(5120, 256)).toBe(20);
    expect(holdsOf(5120, 5120)).toBe(1);
  });

  test('nothing is held when memory does not empty: waiting would be of no use', () => {
    expect(holdsOf(5120, 256, { emptying: false })).toBe(0);
  });
});

test('while there is room nothing is held', () => {
  expect(holdsOf(5120, 256, { crowded: false })).toBe(0);
});
