import type { RequestHandler } from 'express';
import { ipKeyGenerator, rateLimit, type Store } from 'express-rate-limit';
import { createHitCounter } from '../../lib/limits/hit-counter.ts';
import { Problem } from '../problem.ts';

const WINDOW_MS = 60_000;
/** Whoever sits behind this address; an IPv6 subscriber has a whole subnet. */
export function addressKey(address: string | undefined): string {
  return `address:${address === undefined ? '' : ipKeyGenerator(address)}`;
}

/** A number of requests per minute for each key; `RateLimit-*` headers say how many are left. */
export function createCallerLimit(options: {
  perMinute: number;
  keyOf: (request: Parameters<RequestHandler>[0]) => string;
  now?: () => number;
}): RequestHandler {
  const counter = createHitCounter(options.now);
  const store: Store = {
    localKeys: true,
    increment(key) {
      const { hits, endsMs } = counter.hit(key);
      return { totalHits: hits, resetTime: new Date(endsMs) };
    },
    decrement: () => undefined,
    resetKey: (key) => counter.forget(key),
  };
  return rateLimit({
    windowMs: WINDOW_MS,
    limit: options.perMinute,
    skip: () => options.perMinute === 0,
    standardHeaders: 'draft-6',
    legacyHeaders: false,
    keyGenerator: options.keyOf,
    store,
    // Its checks write to the console; `trust proxy` is a setting here, said by the operator.
    validate: false,
    handler(_request, _response, next) {
      // The library has set Retry-After.
      next(
        new Problem(
          429,
          'rate_limited',
          `More than ${options.perMinute} requests in a minute by this caller.`,
        ),
      );
    },
  });
}
