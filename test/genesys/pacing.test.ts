import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createPacing } from '../../src/genesys/pacing.ts';
import { play, type Scene } from './support/shared-budget.ts';

/** The same numbers for the same seed. */
function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const surroundings = fc.record({
  latencyMs: fc.constantFrom(
    { min: 200, max: 200 },
    { min: 50, max: 500 },
    { min: 100, max: 1000 },
  ),
  rounding: fc.constantFrom<Scene['rounding']>('ceil', 'floor'),
  seed: fc.nat(),
});

function sceneOf(
  { seed, ...around }: { latencyMs: Scene['latencyMs']; rounding: Scene['rounding']; seed: number },
  counts: Pick<Scene, 'replicas' | 'busy'>,
) {
  const random = randomOf(seed);
  const { replicas } = counts;
  return {
    ...around,
    ...counts,
    sharers: replicas,
    perMinute: 300,
    inFlight: 8,
    minutes: 5,
    random,
  };
}

describe('a budget of 300 a minute that greedy replicas share', () => {
  test('four of them: no stall over 5 s, nothing refused, 95 % used, nobody left behind', () => {
    fc.assert(
      fc.property(surroundings, (around) => {
        const played = play(sceneOf(around, { replicas: 4, busy: 4 }));
        // Answers that are a second late may let one slip now and then.
        const slips = around.latencyMs.max > 500 ? 0.005 : 0;
        expect(played.refused / played.accepted).toBeLessThanOrEqual(slips);
        expect(played.longestStallMs).toBeLessThan(5000);
        expect(played.used).toBeGreaterThanOrEqual(0.95);
        expect(Math.min(...played.sentByReplica)).toBeGreaterThan((300 * 5 * 0.9) / 4 / 2);
      }),
      { numRuns: 60 },
    );
  });

  test('one busy of four takes what the others leave', () => {
    fc.assert(
      fc.property(surroundings, (around) => {
        const played = play(sceneOf(around, { replicas: 4, busy: 1 }));
        expect(played.refused).toBe(0);
        expect(played.used).toBeGreaterThanOrEqual(0.95);
      }),
      { numRuns: 30 },
    );
  });

  test.each([1, 2, 8, 16])(
    '%i of them: 95 % used, at most one in a hundred refused',
    (replicas) => {
      fc.assert(
        fc.property(surroundings, (around) => {
          const played = play(sceneOf(around, { replicas, busy: replicas }));
          expect(played.refused / played.accepted).toBeLessThan(0.01);
          expect(played.used).toBeGreaterThanOrEqual(0.95);
          // A fair share of one sixteenth is a call in 3.2 s by itself.
          expect(played.longestStallMs).toBeLessThan(replicas > 8 ? 20_000 : 8000);
        }),
        { numRuns: 20 },
      );
    },
  );
});

describe('answers', () => {
  const news = { allowed: 300, resetMs: 60_000, inFlight: 0 };

  test('that arrive out of order count for nothing', () => {
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.integer({ min: 1, max: 290 }), { minLength: 2, maxLength: 40 }),
        (counts) => {
          const pacing = createPacing({ sharers: 1 });
          let highest = 0;
          for (const count of counts) {
            highest = Math.max(highest, count);
            // One sharer takes all that is left, whatever the others did.
            const pace = pacing.hear({ ...news, count, sentMs: 0 }, 0);
            expect(pace?.perMinute).toBeCloseTo(((300 - highest) / 59_000) * 60_000, 6);
          }
        },
      ),
    );
  });

  test('of the window before change nothing', () => {
    const pacing = createPacing({ sharers: 2 });
    pacing.hear({ ...news, count: 5, resetMs: 1000, sentMs: 0 }, 0);
    pacing.hear({ ...news, count: 1, sentMs: 2000 }, 2100);
    expect(pacing.hear({ ...news, count: 299, resetMs: 500, sentMs: 500 }, 2200)).toBeUndefined();
  });

  test('that leave nothing are a pause until the window ends, and then the pace of a new one', () => {
    const pacing = createPacing({ sharers: 4 });
    const pace = pacing.hear({ ...news, count: 300, resetMs: 7000, sentMs: 1000 }, 1200);
    expect(pace?.pauseUntilMs).toBeGreaterThanOrEqual(8000);
    expect(pace?.pauseUntilMs).toBeLessThan(9000);
    expect(pace?.perMinute).toBe(75);
  });
});
