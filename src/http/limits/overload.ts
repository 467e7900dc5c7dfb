import type { RequestHandler } from 'express';
import { createRarely } from '../../lib/limits/rarely.ts';
import type { Logger } from '../../lib/logger.ts';
import type { Exchanges } from '../exchange.ts';
import { Problem } from '../problem.ts';
import type { HttpMetrics } from '../telemetry/http-metrics.ts';
import type { HttpLimits } from './http-limits.ts';
import type { LoopMonitor } from './loop-monitor.ts';

export interface OverloadOptions {
  readonly limits: Pick<HttpLimits, 'inFlight' | 'loopDelayMs'>;
  readonly metrics: HttpMetrics;
  readonly loop: Pick<LoopMonitor, 'delayMs'>;
  readonly exchanges: Exchanges;
  readonly log: Logger;
}

/**
 * Refuses early and cheaply, before anything has to wait for its turn. The log gets a number now and then
 * instead of a line for each.
 */
export function turnAwayUnderOverload(options: OverloadOptions): RequestHandler {
  const { limits, metrics, loop, exchanges, log } = options;
  const logRarely = createRarely((requests, reason: 'event_loop' | 'in_flight') =>
    log.warn({ requests, reason, loopDelayMs: Math.round(loop.delayMs) }, 'Overloaded'),
  );

  return (request, response, next) => {
    // The caller has left: no 'close' would end its being in flight.
    if (response.destroyed) return;
    const lateLoop = limits.loopDelayMs > 0 && loop.delayMs > limits.loopDelayMs;
    if (lateLoop || metrics.inFlight >= limits.inFlight) {
      const reason = lateLoop ? 'event_loop' : 'in_flight';
      exchanges.of(request).turnedAway = true;
      metrics.turnedAway(reason);
      logRarely(reason);
      throw new Problem(503, 'overloaded', 'Too much to do at the moment; try again shortly.', {
        headers: { 'retry-after': '1' },
      });
    }
    metrics.inFlight += 1;
    response.once('close', () => {
      metrics.inFlight -= 1;
    });
    next();
  };
}
