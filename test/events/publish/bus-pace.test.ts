import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createBusPace } from '../../../src/events/publish/bus-pace.ts';

interface Scene {
  /** Calls that are wanted each second. */
  readonly wanted: number;
  readonly seconds: number;
  readonly latencyMs: number;
  readonly maxInFlight: number;
  /** Whether the bus takes a call that starts at that time. */
  readonly takes: (atMs: number) => boolean;
}

/** What the dispatcher does, a millisecond at a time: what is throttled goes first again. */
function play({ wanted, seconds, latencyMs, maxInFlight, takes }: Scene) {
  let nowMs = 0;
  const pace = createBusPace(() => nowMs);
  const waiting: number[] = [];
  const inFlight: { endMs: number; createdMs: number; isTaken: boolean }[] = [];
  const tookMs: number[] = [];
  let created = 0;
  let refused = 0;
  let lastMs = 0;
  for (; created < wanted * seconds || waiting.length > 0 || inFlight.length > 0; nowMs += 1) {
    if (nowMs > 600_000) throw new Error(`Not done after ${nowMs} ms: ${waiting.length} wait`);
    while (created < wanted * seconds && (created * 1000) / wanted <= nowMs) {
      waiting.push(nowMs);
      created += 1;
    }
    for (let ended = inFlight[0]; ended !== undefined && ended.endMs <= nowMs; [ended] = inFlight) {
      inFlight.shift();
      if (ended.isTaken) {
        pace.accepted();
        tookMs.push(nowMs - ended.createdMs);
        lastMs = nowMs;
      } else {
        pace.throttled();
        refused += 1;
        waiting.unshift(ended.createdMs);
      }
    }
    while (inFlight.length < maxInFlight && waiting.length > 0 && pace.waitMs < 1) {
      const createdMs = waiting.shift() ?? 0;
      pace.started();
      inFlight.push({ endMs: nowMs + latencyMs, createdMs, isTaken: takes(nowMs) });
    }
  }
  const sorted = tookMs.toSorted((a, b) => a - b);
  const p99Ms = sorted[Math.floor(sorted.length * 0.99)] ?? 0;
  return { pace, refused, accepted: tookMs.length, p99Ms, maxMs: sorted.at(-1) ?? 0, lastMs };
}

/** AWS' own: `perSecond` tokens a second, of which a second's worth can be saved up. */
function bucket(perSecond: number) {
  let tokens = perSecond;
  let beforeMs = 0;
  return (atMs: number) => {
    tokens = Math.min(perSecond, tokens + ((atMs - beforeMs) * perSecond) / 1000);
    beforeMs = atMs;
    if (tokens < 1) return false;
    tokens -= 1;
    return true;
  };
}

/** A random that is the same each time. */
function dice(seed: number) {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return state / 2_147_483_648;
  };
}

describe('the pace of calls', () => {
  test('is none while nothing is throttled', () => {
    let nowMs = 0;
    const pace = createBusPace(() => nowMs);
    for (let call = 0; call < 1000; call += 1) {
      pace.started();
      pace.accepted();
      expect(pace.waitMs).toBe(0);
      nowMs += call % 3;
    }
    expect(pace.callsPerSecond).toBe(Infinity);
  });

  test('half of all calls throttled at random: nobody waits long', () => {
    for (const seed of [1, 2, 3, 4, 5]) {
      const random = dice(seed);
      const scene = { wanted: 100, seconds: 20, latencyMs: 10, maxInFlight: 8 };
      const { p99Ms, maxMs } = play({ ...scene, takes: () => random() < 0.5 });
      expect(p99Ms).toBeLessThan(1000);
      expect(maxMs).toBeLessThan(3000);
    }
  });

  test('behind a bucket all goes nearly as fast as the bucket lets it', () => {
    const scene = { wanted: 100, seconds: 20, latencyMs: 10, maxInFlight: 8 };
    const { p99Ms, refused, accepted } = play({ ...scene, takes: bucket(80) });
    // In the order of their coming, each as soon as there is a token.
    const ideal = (2000 - 80 - 80 * 20) / 80;
    expect(p99Ms).toBeLessThan(1.1 * 1000 * ideal);
    expect(refused / accepted).toBeLessThan(2);
  });

  test('after a rest in which all was throttled it comes back within seconds', () => {
    const scene = { wanted: 100, seconds: 20, latencyMs: 10, maxInFlight: 8 };
    const { lastMs } = play({ ...scene, takes: (atMs) => atMs < 5000 || atMs >= 10_000 });
    expect(lastMs).toBeLessThan(25_000);
  });

  test('whatever a bucket gives and what is wanted of it, all goes and little is refused', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 10, max: 500 }),
        fc.integer({ min: 10, max: 200 }),
        fc.integer({ min: 1, max: 60 }),
        (wanted, percent, latencyMs) => {
          const perSecond = Math.max(5, (wanted * percent) / 100);
          const scene = { wanted, seconds: 10, latencyMs, maxInFlight: 16 };
          const { refused, accepted, lastMs } = play({ ...scene, takes: bucket(perSecond) });
          expect(accepted).toBe(wanted * 10);
          expect(refused).toBeLessThan(2 * accepted + 20);
          const reach = Math.min(perSecond, (16 * 1000) / latencyMs);
          const neededMs = Math.max(10_000, (accepted * 1000) / reach);
          expect(lastMs).toBeLessThan(1.2 * neededMs + 2000);
        },
      ),
      { numRuns: 60 },
    );
  });
});
