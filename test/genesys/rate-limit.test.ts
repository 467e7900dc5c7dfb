import { describe, expect, it } from 'vitest';
import { createRateLimit } from '../../src/genesys/rate-limit.ts';

/** A bucket that remembers, and a clock that the test moves. */
function parts(configured = 1000) {
  let ms = 1_000_000;
  let perMinute = configured;
  const pauses: number[] = [];
  const limit = createRateLimit({
    bucket: {
      pauseUntil: (untilMs) => pauses.push(untilMs - ms),
      setPerMinute: (rate) => {
        perMinute = rate;
      },
      get perMinute() {
        return perMinute;
      },
    },
    maxPauseMs: 60_000,
    now: () => ms,
  });
  return {
    limit,
    pauses,
    rate: () => perMinute,
    advance: (by: number) => {
      ms += by;
    },
    answer: (status: number, headers = {}) =>
      limit.observe({ status, headers }, { sentMs: ms, inFlight: 0 }),
  };
}

describe('pauses', () => {
  it.each([
    [{ 'retry-after': '7' }, 7000],
    [{ 'retry-after': '7', 'inin-ratelimit-reset': '3' }, 7000],
    [{ 'inin-ratelimit-reset': '3' }, 3000],
  ])('%j', (headers, ms) => {
    const { answer, pauses, rate } = parts();
    expect(answer(429, headers)).toBe(ms);
    expect(pauses).toEqual([ms]);
    expect(rate()).toBe(1000);
  });

  it('are bounded, whatever the header says', () => {
    const { answer, pauses } = parts();
    expect(answer(429, { 'retry-after': '999999999' })).toBe(999_999_999_000);
    expect(pauses).toEqual([60_000]);
  });

  it('of a 503 hold for that call alone', () => {
    const { answer, pauses } = parts();
    expect(answer(503, { 'retry-after': '7' })).toBe(7000);
    expect(pauses).toEqual([]);
  });
});

describe('the limit that Genesys names', () => {
  it('is followed down, and up again as far as the configuration goes', () => {
    const { answer, rate } = parts();
    answer(200, { 'inin-ratelimit-allowed': '300' });
    expect(rate()).toBe(300);
    answer(200);
    expect(rate()).toBe(300);
    answer(200, { 'inin-ratelimit-allowed': '600' });
    expect(rate()).toBe(600);
    answer(200, { 'inin-ratelimit-allowed': '5000' });
    expect(rate()).toBe(1000);
  });

  it.each(['0', '-5', 'many', '', '0x64', '1e2', '+500'])(
    'is left alone when it is %j',
    (header) => {
      const { answer, rate } = parts();
      answer(200, { 'inin-ratelimit-allowed': header });
      expect(rate()).toBe(1000);
    },
  );
});

describe('a 429 that names no time', () => {
  it('halves the rate, once for a burst of them, and never below one', () => {
    const { answer, rate, advance } = parts();
    for (let i = 0; i < 10; i += 1) answer(429);
    expect(rate()).toBe(500);
    for (let i = 0; i < 20; i += 1) {
      advance(1000);
      answer(429);
    }
    expect(rate()).toBe(1);
  });

  it('is forgotten slowly', () => {
    const { answer, rate, advance } = parts();
    answer(429);
    answer(200);
    expect(rate()).toBe(500);
    advance(10_000);
    answer(200);
    answer(200);
    expect(rate()).toBe(550);
    for (let i = 0; i < 20; i += 1) {
      advance(10_000);
      answer(200);
    }
    expect(rate()).toBe(1000);
  });

  it('holds below a limit that is named meanwhile', () => {
    const { answer, rate } = parts();
    answer(429);
    answer(200, { 'inin-ratelimit-allowed': '800' });
    expect(rate()).toBe(500);
    answer(200, { 'inin-ratelimit-allowed': '200' });
    expect(rate()).toBe(200);
  });
});
