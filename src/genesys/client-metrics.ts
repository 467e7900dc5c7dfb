import { Counter, Gauge, Histogram, type Registry } from '../lib/metrics.ts';

/** The metrics of the Genesys client; `operation` is one of a fixed set of names. */
export interface ClientMetrics {
  /** One exchange: its HTTP status, or the code of the failure when there was no answer. */
  exchanged(operation: string, status: string, seconds: number): void;
  retried(operation: string, reason: string): void;
  waited(seconds: number): void;
}

export function createClientMetrics(
  registry: Registry,
  requestsPerMinute: () => number,
): ClientMetrics {
  const registers = [registry];
  const requests = new Counter({
    name: 'genesys_requests_total',
    help: 'Requests to Genesys Cloud, retries included, by operation and HTTP status or failure',
    labelNames: ['operation', 'status'],
    registers,
  });
  const duration = new Histogram({
    name: 'genesys_request_duration_seconds',
    help: 'Time of one request to Genesys Cloud, without the wait for its turn',
    labelNames: ['operation'],
    buckets: [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30],
    registers,
  });
  const retries = new Counter({
    name: 'genesys_retries_total',
    help: 'Requests to Genesys Cloud that were repeated, by the failure before',
    labelNames: ['operation', 'reason'],
    registers,
  });
  const wait = new Counter({
    name: 'genesys_rate_limit_wait_seconds_total',
    help: 'Time that requests waited for their turn under the rate limit',
    registers,
  });
  // Read when it is scraped; nobody else needs the object.
  void new Gauge({
    name: 'genesys_rate_limit_per_minute',
    help: 'Requests a minute that the service allows itself at present',
    registers,
    collect() {
      this.set(requestsPerMinute());
    },
  });
  return {
    exchanged(operation, status, seconds) {
      requests.inc({ operation, status });
      duration.observe({ operation }, seconds);
    },
    retried: (operation, reason) => retries.inc({ operation, reason }),
    waited: (seconds) => wait.inc(seconds),
  };
}
