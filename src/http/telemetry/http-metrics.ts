import { Counter, Gauge, Histogram, type Registry } from '../../lib/metrics.ts';
import type { Exchange } from '../exchange.ts';

/** Numbers about requests; routes are labelled by their pattern, so that labels stay few. */
export interface HttpMetrics {
  /** Counts the exchange when it is over. */
  observe(exchange: Exchange): void;
  /** Requests that wait for their turn or are being handled now. */
  inFlight: number;
  /** Requests that were turned away before they were understood or handled. */
  turnedAway(reason: 'in_flight' | 'event_loop' | 'malformed' | 'pipelined' | 'idle'): void;
}

export function createHttpMetrics(registry: Registry, loopDelayMs: () => number): HttpMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'bridge_http_requests_total',
    help: 'Requests answered, by route, method and status; 499: the caller left before',
    labelNames: ['route', 'method', 'status'],
    registers,
  });
  const durations = new Histogram({
    name: 'bridge_http_request_duration_seconds',
    help: 'Time from the headers of a request to the end of its answer',
    labelNames: ['route'],
    buckets: [0.005, 0.02, 0.1, 0.5, 2, 10, 60],
    registers,
  });
  const turnedAway = new Counter({
    name: 'bridge_http_turned_away_total',
    help: 'Requests refused by load shedding or not HTTP at all, pipelines and idle connections that were cut',
    labelNames: ['reason'],
    registers,
  });
  const inFlight: Gauge = new Gauge({
    name: 'bridge_http_in_flight',
    help: 'Requests being handled now',
    registers,
    collect: () => inFlight.set(metrics.inFlight),
  });
  const loopDelay: Gauge = new Gauge({
    name: 'bridge_event_loop_delay_seconds',
    help: 'How late the event loop runs, mean of the last half second',
    registers,
    collect: () => loopDelay.set(loopDelayMs() / 1000),
  });

  const metrics: HttpMetrics = {
    inFlight: 0,
    observe(exchange) {
      exchange.response.once('close', () => {
        const { request, response, route, startedMs } = exchange;
        const labels = { route: route?.path ?? '(none)' };
        const status = response.writableFinished ? response.statusCode : 499;
        // An unknown method is the caller's invention and must not become a label.
        const method = route === undefined ? 'any' : (request.method ?? '');
        requests.inc({ ...labels, method, status });
        durations.observe(labels, (performance.now() - startedMs) / 1000);
      });
    },
    turnedAway: (reason) => turnedAway.inc({ reason }),
  };
  return metrics;
}
