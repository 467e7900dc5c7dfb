import { describe, expect, onTestFinished, test } from 'vitest';
import { type BusGateOptions, createBusGate } from '../../../src/events/publish/bus-gate.ts';
import { busFailure } from './support/publisher-under-test.ts';

const RETRY = { baseMs: 10, capMs: 100 };
const HOUR_MS = 3_600_000;
const LONGEST_MS = 300_000;

/** A gate whose pauses take no time; `steps` is what it did. */
function gateOn(options: Partial<BusGateOptions> = {}) {
  const steps: string[] = [];
  const stopping = new AbortController();
  let clockMs = 0;
  const opened = Promise.withResolvers<void>();
  const gate = createBusGate({
    bus: {
      async check() {
        steps.push('check');
        return undefined;
      },
    },
    availability: { up: () => void steps.push('up'), down: () => void steps.push('down') },
    retry: RETRY,
    probe: async () => {
      steps.push('probe');
      return true;
    },
    onOpen: () => opened.resolve(),
    random: () => 0.5,
    async sleep(ms, signal) {
      signal?.throwIfAborted();
      steps.push(`sleep ${ms}`);
      clockMs += ms;
    },
    now: () => clockMs,
    ...options,
  });
  const run = () => {
    const running = gate.run(stopping.signal).catch(() => undefined);
    onTestFinished(async () => {
      stopping.abort();
      await running;
    });
  };
  return { gate, steps, run, opened: opened.promise, pass: (ms: number) => void (clockMs += ms) };
}

describe('a rest that the bus asks for', () => {
  test('of a moment closes nothing', () => {
    const { gate, steps, pass } = gateOn();
    gate.hold(busFailure('eventbridge_throttled', 'retry', 429), 800);
    expect(gate.holdMs).toBe(800);
    pass(300);
    expect(gate.holdMs).toBe(500);
    // A shorter one takes nothing of it.
    gate.hold(busFailure('eventbridge_throttled', 'retry', 429), 100);
    expect(gate.holdMs).toBe(500);
    pass(501);
    expect(gate.holdMs).toBe(0);
    expect(steps).toEqual([]);
  });

  test('of an hour closes the gate, and is over after the longest that is granted', async () => {
    const { gate, steps, run, opened } = gateOn();
    run();
    await opened;
    expect(steps.splice(0)).toEqual(['check', 'up']);
    gate.hold(busFailure('eventbridge_unavailable', 'retry', 503), HOUR_MS);
    expect(gate.open).toBe(false);
    await expect.poll(() => gate.open).toBe(true);
    expect(steps).toEqual(['down', 'sleep 5', `sleep ${LONGEST_MS - 5}`, 'check', 'probe', 'up']);
  });

  test('is obeyed by the probes as well', async () => {
    const failures = [HOUR_MS, 7000];
    const { steps, run, opened } = gateOn({
      bus: {
        async check() {
          const retryAfterMs = failures.shift();
          if (retryAfterMs === undefined) return undefined;
          throw busFailure('eventbridge_unavailable', 'retry', 503, retryAfterMs);
        },
      },
    });
    run();
    await opened;
    const pauses = [5, LONGEST_MS - 5, 10, 6990].map((ms) => `sleep ${ms}`);
    expect(steps.filter((step) => step.startsWith('sleep'))).toEqual(pauses);
  });
});
