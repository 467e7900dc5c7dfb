// Several clients on one budget of Genesys, in simulated time: the real bucket, the real pacing.
import { createRateLimit } from '../../../src/genesys/rate-limit.ts';
import { createTokenBucket } from '../../../src/lib/limits/token-bucket.ts';

export interface Scene {
  readonly replicas: number;
  /** How many of them have anything to do; always more than they may. */
  readonly busy: number;
  readonly sharers: number;
  readonly perMinute: number;
  /** From the request being sent to its answer, in milliseconds. */
  readonly latencyMs: { readonly min: number; readonly max: number };
  /** Calls at once of one replica. */
  readonly inFlight: number;
  readonly minutes: number;
  readonly rounding: 'ceil' | 'floor';
  /** From 0 to 1. */
  readonly random: () => number;
}

export interface Played {
  readonly refused: number;
  readonly accepted: number;
  /** The longest time that a busy replica could send nothing, in milliseconds. */
  readonly longestStallMs: number;
  /** Share of the budget of the windows that were begun and ended. */
  readonly used: number;
  readonly sentByReplica: readonly number[];
}

const WINDOW_MS = 60_000;
const POLL_MS = 10;

export function play(scene: Scene): Played {
  const { latencyMs, random } = scene;
  let clock = 1_700_000_000_000;
  const startMs = clock;
  const endMs = startMs + scene.minutes * WINDOW_MS;
  const events: { readonly atMs: number; readonly run: () => void }[] = [];
  const at = (atMs: number, run: () => void) => {
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((events[middle]?.atMs ?? 0) > atMs) low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, { atMs, run });
  };

  let windowEndsMs = 0;
  let count = 0;
  let refused = 0;
  let accepted = 0;
  function answer(): { status: number; headers: Record<string, string> } {
    if (clock >= windowEndsMs) {
      windowEndsMs = clock + WINDOW_MS;
      count = 0;
    }
    count += 1;
    const isFine = count <= scene.perMinute;
    if (isFine) accepted += 1;
    else refused += 1;
    const reset = Math[scene.rounding]((windowEndsMs - clock) / 1000);
    const headers = {
      'inin-ratelimit-count': String(Math.min(count, scene.perMinute)),
      'inin-ratelimit-allowed': String(scene.perMinute),
      'inin-ratelimit-reset': String(reset),
    };
    return { status: isFine ? 200 : 429, headers };
  }

  const sentByReplica: number[] = [];
  let longestStallMs = 0;
  for (let replica = 0; replica < scene.busy; replica += 1) {
    const bucket = createTokenBucket({ perMinute: 6000, now: () => clock });
    const limit = createRateLimit({
      bucket,
      maxPauseMs: 120_000,
      sharers: scene.sharers,
      now: () => clock,
    });
    let inFlight = 0;
    let lastSentMs = clock;
    sentByReplica.push(0);
    const send = () => {
      const sentMs = clock;
      longestStallMs = Math.max(longestStallMs, clock - lastSentMs);
      lastSentMs = clock;
      inFlight += 1;
      sentByReplica[replica] = (sentByReplica[replica] ?? 0) + 1;
      const tookMs = latencyMs.min + random() * (latencyMs.max - latencyMs.min);
      at(clock + tookMs * random(), () => {
        const answered = answer();
        at(sentMs + tookMs, () => {
          inFlight -= 1;
          limit.observe(answered, { sentMs, inFlight });
        });
      });
    };
    const poll = () => {
      while (inFlight < scene.inFlight && bucket.tryTake() === 0) send();
      at(clock + POLL_MS, poll);
    };
    at(clock + random() * 1000, poll);
  }

  for (let next = events.pop(); next !== undefined && next.atMs < endMs; next = events.pop()) {
    clock = next.atMs;
    next.run();
  }
  const used = accepted / (scene.perMinute * scene.minutes);
  return { refused, accepted, longestStallMs, used, sentByReplica };
}
