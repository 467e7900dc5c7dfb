import { Registry } from 'prom-client';

export { Counter, Gauge, Histogram, type Registry } from 'prom-client';

/** One registry per app: two apps in one process never share a number. */
export function createMetricsRegistry(): Registry {
  return new Registry();
}
